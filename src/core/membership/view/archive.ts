/**
 * The rows on disk, for finding the others after a restart. Sixteen values, by the first digit of the id: a change writes one of
 * them anew, and a row keeps its place. Suspicions are not kept; the dead and the left are.
 */
import { assert } from '../../../base/assert.ts'
import { concat, equal, sha256 } from '../../../base/bytes.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import { encode, list, tryDecode } from '../../../wire/codec/codec.ts'
import { claim, MEMBERS_MAX, type Claim } from '../../../wire/membership.ts'
import type { Restored } from '../../machine.ts'
import { proofOf, type Roster } from './roster.ts'

/** A change is written after this long, together with what follows it at once (a join brings many). */
export const SAVE_DELAY_MS = 500
/** And not more often than this. */
export const SAVE_PAUSE_MS = 5_000
const KEY_PREFIX = 'members/'
const CHECK_BYTES = 8

/** The alive claim of each row, and after it the verdict if it has one. */
const chunk = list(claim, 2 * MEMBERS_MAX)

export class Archive {
  private readonly roster: Roster
  private readonly persist: (key: string, value: Uint8Array | undefined) => number
  private readonly dirty = new Set<string>()
  private readonly writing = new Map<number, string>()
  private saveAt: Instant | undefined
  private savedAt: Instant | undefined

  constructor(roster: Roster, persist: (key: string, value: Uint8Array | undefined) => number) {
    this.roster = roster
    this.persist = persist
  }

  changed(id: NodeId, now: Instant): void {
    this.mark(keyOf(id), now)
  }

  next(): Instant | undefined {
    return this.saveAt
  }

  wake(now: Instant): void {
    if (this.saveAt === undefined || this.saveAt > now) return
    this.flush(now)
  }

  /** Writes what changed, whether or not its time has come. */
  flush(now: Instant): void {
    const chunks = new Map([...this.dirty].map(key => [key, [] as Claim[]]))
    for (const row of this.roster.rows()) {
      const claims = chunks.get(keyOf(row.id))
      if (claims === undefined) continue
      for (const claim of row.standing.state === 'suspect' ? [row.alive] : proofOf(row)) claims.push(claim)
    }
    for (const [key, claims] of chunks) this.writing.set(this.persist(key, sealed(claims)), key)
    this.dirty.clear()
    this.saveAt = undefined
    this.savedAt = now
  }

  /** What the disk refused is written again with the next save. */
  done(token: number, ok: boolean, now: Instant): void {
    const key = this.writing.get(token)
    if (key === undefined) return
    this.writing.delete(token)
    if (!ok) this.mark(key, now)
  }

  private mark(key: string, now: Instant): void {
    this.dirty.add(key)
    if (this.saveAt !== undefined) return
    const soonest = after(now, SAVE_DELAY_MS)
    const rested = this.savedAt === undefined ? soonest : after(this.savedAt, SAVE_PAUSE_MS)
    this.saveAt = rested > soonest ? rested : soonest
  }
}

/** All claims that were kept, those of one row in their order. What a torn write left is skipped. */
export function restoredClaims(restored: Restored): Claim[] {
  return [...restored].flatMap(([key, value]) => (key.startsWith(KEY_PREFIX) ? opened(value) : []))
}

function keyOf(id: NodeId): string {
  return KEY_PREFIX + id.charAt(0)
}

/** Undefined, which deletes, for no claims at all. */
function sealed(claims: Claim[]): Uint8Array | undefined {
  if (claims.length === 0) return undefined
  assert(claims.length <= 2 * MEMBERS_MAX, 'a row has at most one verdict')
  const body = encode(chunk, claims)
  return concat(sha256(body).subarray(0, CHECK_BYTES), body)
}

/** They were verified before they were written; the check tells whether they are what was written. */
function opened(value: Uint8Array): Claim[] {
  const body = value.subarray(CHECK_BYTES)
  if (!equal(sha256(body).subarray(0, CHECK_BYTES), value.subarray(0, CHECK_BYTES))) return []
  return tryDecode(chunk, body) ?? []
}
