/** Puts datagrams together: what the addressee must know first, then rumours as long as there is room. */
import type { NodeId } from '../../../base/ids.ts'
import { encode } from '../../../wire/codec/codec.ts'
import type { Contact } from '../../../wire/common.ts'
import {
  claim as claimCodec,
  DATAGRAM_HEADER_BYTES_MAX,
  MEMBERSHIP_DATAGRAM_BYTES_MAX,
  RUMOURS_PER_DATAGRAM_MAX,
  type Claim,
  type MembershipMessage
} from '../../../wire/membership.ts'
import type { Channel } from '../../machine.ts'
import type { Outbox } from '../../outbox.ts'
import type { MembershipEvent } from '../member.ts'
import type { Roster } from '../view/roster.ts'
import type { Rumours } from './rumours.ts'
import { rumourTimes } from '../settings.ts'

export type Sends = Outbox<MembershipMessage, never, MembershipEvent>

export class Mail {
  private readonly outbox: Sends
  private readonly roster: Roster
  private readonly rumours: Rumours

  constructor(outbox: Sends, roster: Roster, rumours: Rumours) {
    this.outbox = outbox
    this.roster = roster
    this.rumours = rumours
  }

  ping(to: Contact, via: Channel, sequence: number, first?: Claim): void {
    this.outbox.send(to, via, { kind: 'ping', sequence, target: to.id, rumours: this.rumoursFor(to.id, first) })
  }

  ack(to: Contact, via: Channel, sequence: number, first?: Claim): void {
    this.outbox.send(to, via, { kind: 'ack', sequence, rumours: this.rumoursFor(to.id, first) })
  }

  pingRequest(to: Contact, sequence: number, target: NodeId): void {
    this.outbox.send(to, 'datagram', { kind: 'ping-request', sequence, target, rumours: this.rumoursFor(to.id) })
  }

  /** Sends nothing when there is nothing to tell. */
  gossip(to: Contact, first?: Claim): void {
    const rumours = this.rumoursFor(to.id, first)
    if (rumours.length > 0) this.outbox.send(to, 'datagram', { kind: 'gossip', rumours })
  }

  /** `first`, then what the addressee is accused of ("a suspect is told so in the very next ping"), then rumours. */
  private rumoursFor(to: NodeId, first?: Claim): Claim[] {
    const before = first === undefined ? [] : [first]
    const accusation = this.accusationOf(to)
    if (accusation !== undefined) before.push(accusation)
    let space = MEMBERSHIP_DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES_MAX
    for (const claim of before) space -= encode(claimCodec, claim).length
    const times = rumourTimes(this.roster.liveCount)
    const taken = this.rumours.take(to, { space, times, limit: RUMOURS_PER_DATAGRAM_MAX - before.length })
    return [...before, ...taken.filter(claim => claim !== first)]
  }

  private accusationOf(id: NodeId): Claim | undefined {
    const standing = this.roster.get(id)?.standing
    if (standing?.state === 'suspect') return standing.accusations[0]
    return standing?.state === 'dead' ? standing.accusation : undefined
  }
}
