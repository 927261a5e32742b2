/** One machine between peers that the test plays: it hears what the test says and shows what it decides. */
import { Random } from '../../../../src/base/random.ts'
import { nodeId, overlayId, type NodeId } from '../../../../src/base/ids.ts'
import { after, instant, wallMs, type Instant } from '../../../../src/base/time.ts'
import type { Channel, Now, Restored } from '../../../../src/core/machine.ts'
import { Notary as Claims } from '../../../../src/core/membership/view/claims.ts'
import type { MembershipEvent } from '../../../../src/core/membership/member.ts'
import { Membership, type MembershipOptions } from '../../../../src/core/membership/membership.ts'
import { PRESETS } from '../../../../src/core/membership/settings.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import { encode } from '../../../../src/wire/codec/codec.ts'
import { STREAM_MESSAGE_BYTES_MAX, type Contact } from '../../../../src/wire/common.ts'
import {
  membershipMessage,
  MEMBERSHIP_DATAGRAM_BYTES_MAX,
  type AliveClaim,
  type Claim,
  type MembershipMessage
} from '../../../../src/wire/membership.ts'

export const PERIOD_MS = PRESETS.lan.periodMs
const WAKES_MAX = 100_000
const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))

/** Somebody with a key of its own. */
export class Peer {
  readonly id: NodeId
  readonly contact: Contact
  readonly claims: Claims
  readonly name: string

  constructor(number: number) {
    const bytes = new Uint8Array(32).fill(number & 255)
    bytes[31] = number >> 8
    this.id = nodeId(bytes)
    this.name = `p${number}`
    this.contact = { id: this.id, address: { host: `10.0.${number >> 8}.${number & 255}`, port: 4000 } }
    this.claims = new Claims(notary.signer(this.id), notary)
  }

  alive(incarnation: number): AliveClaim {
    return this.claims.alive(incarnation, this.name, this.contact.address)
  }
}

export interface Sent<M = MembershipMessage> {
  to: NodeId
  at: Contact['address']
  via: Channel
  message: M
}

type Kind = MembershipMessage['kind']
type OfKind<K extends Kind> = Extract<MembershipMessage, { kind: K }>

interface LoneOptions {
  readonly self?: Peer
  readonly restored?: Restored
  readonly start?: boolean
  readonly contacts?: Contact[]
  readonly detector?: NonNullable<MembershipOptions['detector']>
}

export class Lone {
  readonly self: Peer
  readonly disk = new Map<string, Uint8Array>()
  readonly machine: Membership
  sent: Sent[] = []
  events: MembershipEvent[] = []
  /** What the disk has not answered, when `diskHolds`. */
  held: Array<{ token: number; key: string; value: Uint8Array | undefined }> = []
  diskHolds = false
  mono: Instant = instant(5_000)

  constructor(options: LoneOptions = {}) {
    this.self = options.self ?? new Peer(200)
    for (const [key, value] of options.restored ?? []) this.disk.set(key, value)
    const context = {
      self: this.self.contact,
      random: Random.from(1),
      signer: notary.signer(this.self.id),
      verifier: notary,
      restored: new Map(this.disk)
    }
    const { detector } = options
    const own = { name: 'lone', settings: PRESETS.lan, ...(detector === undefined ? {} : { detector }) }
    this.machine = new Membership(context, own, this.now)
    if (options.start === false) return
    this.machine.start(options.contacts ?? [], this.now)
    this.drain()
  }

  get now(): Now {
    return { mono: this.mono, wall: wallMs(0) }
  }

  drain(): void {
    for (const effect of this.machine.drain()) {
      if (effect.kind === 'send') {
        const limit = effect.channel === 'datagram' ? MEMBERSHIP_DATAGRAM_BYTES_MAX : STREAM_MESSAGE_BYTES_MAX
        const { length } = encode(membershipMessage, effect.message)
        if (length > limit) throw new Error(`a ${effect.message.kind} of ${length} bytes`)
        const { id: to, address: at } = effect.to
        this.sent.push({ to, at, via: effect.channel, message: effect.message })
      } else if (effect.kind === 'emit') this.events.push(effect.event)
      else if (effect.kind === 'persist') {
        const { token, key, value } = effect
        this.held.push({ token, key, value })
      }
    }
    if (!this.diskHolds && this.held.length > 0) this.answerDisk(true)
  }

  answerDisk(ok: boolean): void {
    for (const { token, key, value } of this.held.splice(0)) {
      if (ok && value === undefined) this.disk.delete(key)
      else if (ok && value !== undefined) this.disk.set(key, value)
      this.machine.done(token, ok ? { ok } : { ok, reason: 'disk-full' }, this.now)
    }
    this.drain()
  }

  hear(from: Peer, message: MembershipMessage, via: Channel = 'datagram'): void {
    this.machine.receive(from.contact, via, message, this.now)
    this.drain()
  }

  gossip(from: Peer, ...rumours: Claim[]): void {
    this.hear(from, { kind: 'gossip', rumours })
  }

  prove(from: Peer, ...claims: Claim[]): void {
    this.hear(from, { kind: 'claims', claims }, 'stream')
  }

  /** All wakes of the next `ms`, each exactly when it is due. */
  advance(ms: number, between?: () => void): void {
    const end = after(this.mono, ms)
    for (let wakes = 0; ; wakes++) {
      if (wakes > WAKES_MAX) throw new Error('it never rests')
      const due = this.machine.nextWake()
      if (due === undefined || due > end) break
      if (due > this.mono) this.mono = due
      this.machine.wake(this.now)
      this.drain()
      between?.()
    }
    this.mono = end
  }

  /** Answers pings to these peers as they would, for `ms`. */
  advanceAnswering(ms: number, answering: readonly Peer[]): void {
    let seen = this.sent.length
    this.advance(ms, () => {
      const pings = this.sent.slice(seen).filter(isPing)
      seen = this.sent.length
      for (const { to, message } of pings) {
        const peer = answering.find(({ id }) => id === to)
        if (peer !== undefined) this.hear(peer, { kind: 'ack', sequence: message.sequence, rumours: [] })
      }
    })
  }

  /** Takes out what was sent of one kind. */
  take<K extends Kind>(kind: K): Array<Sent<OfKind<K>>> {
    const taken = this.sent.filter(({ message }) => message.kind === kind)
    this.sent = this.sent.filter(({ message }) => message.kind !== kind)
    return taken as Array<Sent<OfKind<K>>>
  }

  /** All claims that were sent, in any message, since the last call. */
  takeClaims(): Claim[] {
    return this.sent.splice(0).flatMap(({ message }) => {
      if ('rumours' in message) return message.rumours
      return message.kind === 'claims' ? message.claims : []
    })
  }

  stateOf(peer: Peer): string | undefined {
    const member = this.machine.member(peer.id)
    return member === undefined ? undefined : `${member.state}@${member.incarnation}`
  }
}

function isPing(sent: Sent): sent is Sent<OfKind<'ping'>> {
  return sent.message.kind === 'ping'
}

export function peers(count: number): Peer[] {
  return Array.from({ length: count }, (_, index) => new Peer(index + 1))
}
