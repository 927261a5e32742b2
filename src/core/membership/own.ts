/**
 * What this node says of itself: its incarnation, name and address. The incarnation's ceiling is on disk, well ahead of
 * what is in use, so that a refutation waits for no fsync and a restart begins above everything that was ever signed.
 * Nothing is signed above the ceiling that is known to be safe.
 */
import { assert, expectDefined } from '../../base/assert.ts'
import { after, type Instant } from '../../base/time.ts'
import { encode, tryDecode, varint } from '../../wire/codec/codec.ts'
import { sameAddress, type Address } from '../../wire/common.ts'
import { INCARNATION_MAX, type AliveClaim, type LeaveClaim } from '../../wire/membership.ts'
import type { Restored } from '../machine.ts'
import type { Notary } from './view/claims.ts'

export const CEILING_KEY = 'incarnation'
/** How far the ceiling on disk lies ahead when it is written. */
export const CEILING_AHEAD = 100
/** It is written anew when less than this is left. */
const CEILING_LOW = CEILING_AHEAD / 2
/** A disk that refused is tried again after this. */
export const CEILING_RETRY_MS = 1_000

type Writing =
  { kind: 'idle' } | { kind: 'writing'; token: number; ceiling: number } | { kind: 'refused'; retryAt: Instant }

export class Own {
  private readonly notary: Notary
  private readonly persist: (key: string, value: Uint8Array) => number
  private readonly name: string
  private address_: Address
  /** The highest incarnation that a restart is sure to begin above. */
  private ceiling: number
  /** At least that of `claim_`; above it while the disk is waited for. */
  private wanted = 0
  private claim_: AliveClaim | undefined
  private writing: Writing = { kind: 'idle' }

  constructor(options: {
    notary: Notary
    persist: (key: string, value: Uint8Array) => number
    name: string
    address: Address
    restored: Restored
  }) {
    this.notary = options.notary
    this.persist = options.persist
    this.name = options.name
    this.address_ = options.address
    const stored = options.restored.get(CEILING_KEY)
    this.ceiling = stored === undefined ? 0 : (tryDecode(varint, stored) ?? 0)
  }

  /** Begins above everything that was ever signed. */
  begin(): AliveClaim | undefined {
    return this.raiseAbove(this.ceiling)
  }

  /** What was signed last; undefined until the first ceiling is safe. */
  get claim(): AliveClaim | undefined {
    return this.claim_
  }

  /** 0 before the first claim. */
  get incarnation(): number {
    return this.claim_?.incarnation ?? 0
  }

  get address(): Address {
    return this.address_
  }

  /** Whether a higher incarnation waits for the disk. */
  get raising(): boolean {
    return this.wanted > this.incarnation
  }

  /** Goes above `incarnation`. Returns the new claim, or undefined when the disk comes first: then `done` returns it. */
  raiseAbove(incarnation: number): AliveClaim | undefined {
    this.wanted = Math.max(this.wanted, Math.min(incarnation + 1, INCARNATION_MAX - CEILING_AHEAD))
    return this.settle()
  }

  move(address: Address): AliveClaim | undefined {
    if (sameAddress(address, this.address_)) return undefined
    this.address_ = address
    return this.claim_ === undefined ? undefined : this.raiseAbove(this.incarnation)
  }

  /** The last word, signed at the incarnation in use: it overrides all that is said of it. Nothing is raised after it. */
  leave(): LeaveClaim {
    const { incarnation } = expectDefined(this.claim_, 'who leaves has been there')
    this.wanted = incarnation
    return this.notary.leave(incarnation)
  }

  done(token: number, ok: boolean, now: Instant): AliveClaim | undefined {
    if (this.writing.kind !== 'writing' || this.writing.token !== token) return undefined
    if (!ok) {
      this.writing = { kind: 'refused', retryAt: after(now, CEILING_RETRY_MS) }
      return undefined
    }
    this.ceiling = this.writing.ceiling
    this.writing = { kind: 'idle' }
    return this.settle()
  }

  next(): Instant | undefined {
    return this.writing.kind === 'refused' ? this.writing.retryAt : undefined
  }

  wake(now: Instant): void {
    if (this.writing.kind !== 'refused' || this.writing.retryAt > now) return
    this.writing = { kind: 'idle' }
    // Signs nothing: what is wanted lies above the ceiling, or was signed before.
    this.settle()
  }

  private settle(): AliveClaim | undefined {
    if (this.writing.kind === 'idle' && this.ceiling < this.wanted + CEILING_LOW) {
      const ceiling = this.wanted + CEILING_AHEAD
      this.writing = { kind: 'writing', ceiling, token: this.persist(CEILING_KEY, encode(varint, ceiling)) }
    }
    if (!this.raising || this.wanted > this.ceiling) return undefined
    this.claim_ = this.notary.alive(this.wanted, this.name, this.address_)
    assert(this.claim_.incarnation <= this.ceiling, 'nothing is signed above the ceiling on disk')
    return this.claim_
  }
}
