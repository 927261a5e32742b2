/**
 * Messages of the membership. Four claims travel in all of them: *alive* and *leave* are signed by their subject, *suspect*
 * and *dead* by their accuser; who forwards a claim adds nothing to it and vouches for nothing.
 *
 * Datagrams: ping, ack, ping-request (SWIM 3.1) and gossip, each with rumours riding along (SWIM 4.1). Streams: ping and
 * ack again, and push-pull: a digest of the rows, then `want` and `claims` for the difference.
 */
import { list, nodeIdCodec, oneOf, struct, text, u32, union, upTo, type Decoded } from './codec/codec.ts'
import { address, DATAGRAM_PAYLOAD_BYTES_MAX, NAME_BYTES_MAX, signature } from './common.ts'

/** What the node's envelope may put around a message. */
export const ENVELOPE_HEADROOM_BYTES = 16
/** A message for the `datagram` channel never encodes to more. */
export const MEMBERSHIP_DATAGRAM_BYTES_MAX = DATAGRAM_PAYLOAD_BYTES_MAX - ENVELOPE_HEADROOM_BYTES
/** Tag, sequence, id and the count of the rumours: the longest beginning of a datagram. */
export const DATAGRAM_HEADER_BYTES_MAX = 1 + 4 + 32 + 1
/** The shortest claim, a leave, has 98 bytes: more than this do not fit into a datagram. */
export const RUMOURS_PER_DATAGRAM_MAX = Math.floor(MEMBERSHIP_DATAGRAM_BYTES_MAX / 98)
/** Rows of one view, dead ones included. A digest of them all is 410 kB: one stream message. */
export const MEMBERS_MAX = 10_000
/** The longest claim, an alive with a DNS name, has 425 bytes: 850 kB, one stream message. */
export const CLAIMS_PER_MESSAGE_MAX = 2_000
/** Far above what any node reaches, far below where adding one stops working. */
export const INCARNATION_MAX = 2 ** 48

/** In the order in which they override each other at one incarnation (SWIM 4.2; left is ours: the subject's own word). */
export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const
export type MemberState = (typeof MEMBER_STATES)[number]

const incarnation = upTo(INCARNATION_MAX)
const ofSubject = { subject: nodeIdCodec, incarnation }
const ofAccuser = { subject: nodeIdCodec, incarnation, accuser: nodeIdCodec }
const ofAlive = { ...ofSubject, name: text(NAME_BYTES_MAX), address }

/** What the signature of each claim covers (after its domain and the overlay's id). */
export const aliveBody = struct(ofAlive)
export const leaveBody = struct(ofSubject)
export const accusationBody = struct(ofAccuser)

export const claim = union(
  { alive: 1, leave: 2, suspect: 3, dead: 4 },
  {
    alive: { ...ofAlive, signature },
    leave: { ...ofSubject, signature },
    suspect: { ...ofAccuser, signature },
    dead: { ...ofAccuser, signature }
  }
)
export type Claim = Decoded<typeof claim>
export type AliveClaim = Extract<Claim, { kind: 'alive' }>
export type LeaveClaim = Extract<Claim, { kind: 'leave' }>
export type SuspectClaim = Extract<Claim, { kind: 'suspect' }>
export type DeadClaim = Extract<Claim, { kind: 'dead' }>

/** A row of a view, without its proofs. */
export const digestRow = struct({ id: nodeIdCodec, incarnation, state: oneOf(MEMBER_STATES) })
export type DigestRow = Decoded<typeof digestRow>

const rumours = list(claim, RUMOURS_PER_DATAGRAM_MAX)

export const membershipMessage = union(
  { ping: 1, ack: 2, 'ping-request': 3, gossip: 4, digest: 5, want: 6, claims: 7 },
  {
    /** `target` is whom the sender thinks it pings: anybody else stays silent. */
    ping: { sequence: u32, target: nodeIdCodec, rumours },
    /** The sequence of the ping, or of the ping-request, that it answers. */
    ack: { sequence: u32, rumours },
    /** Names a member, never an address: nobody can be made to send elsewhere. */
    'ping-request': { sequence: u32, target: nodeIdCodec, rumours },
    gossip: { rumours },
    /** All rows of the sender's view, its own first. Answered by `claims` that it lacks and a `want` of what it has newer. */
    digest: { rows: list(digestRow, MEMBERS_MAX) },
    want: { ids: list(nodeIdCodec, MEMBERS_MAX) },
    /** The proofs of rows: for each the alive claim first, then what was said against it. */
    claims: { claims: list(claim, CLAIMS_PER_MESSAGE_MAX) }
  }
)
export type MembershipMessage = Decoded<typeof membershipMessage>
