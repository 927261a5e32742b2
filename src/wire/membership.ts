/**
 * Messages of the membership. They carry four kinds of claims: *alive* and *leave* are signed by their subject,
 * *suspect* and *dead* by their accuser. A node that forwards a claim does not change or sign it.
 *
 * Datagrams: ping, ack, ping-request (SWIM 3.1) and gossip, each with rumours piggybacked (SWIM 4.1). Streams: ping and
 * ack too, and push-pull: a digest of all rows, then `want` and `claims` for the difference.
 */
import { list, nodeIdCodec, oneOf, struct, text, u32, union, upTo, type Decoded } from './codec/codec.ts'
import { address, DATAGRAM_PAYLOAD_BYTES_MAX, NAME_BYTES_MAX, signature } from './common.ts'

/** Bytes that the node's envelope may add to a message. */
export const ENVELOPE_HEADROOM_BYTES = 16
/** A message for the `datagram` channel never encodes to more. */
export const MEMBERSHIP_DATAGRAM_BYTES_MAX = DATAGRAM_PAYLOAD_BYTES_MAX - ENVELOPE_HEADROOM_BYTES
/** Tag, sequence, id and the count of the rumours: the longest part of a datagram before its rumours. */
export const DATAGRAM_HEADER_BYTES_MAX = 1 + 4 + 32 + 1
/** The shortest claim, a leave, has 98 bytes: a datagram has no room for more claims than this. */
export const RUMOURS_PER_DATAGRAM_MAX = Math.floor(MEMBERSHIP_DATAGRAM_BYTES_MAX / 98)
/** Rows of one view, including dead members. A digest of them all is 410 kB: one stream message. */
export const MEMBERS_MAX = 10_000
/** The longest claim, an alive with a DNS name, has 425 bytes. This many are 850 kB: one stream message. */
export const CLAIMS_PER_MESSAGE_MAX = 2_000
/** Far more than any node reaches, and far below 2^53, where adding one is no longer exact. */
export const INCARNATION_MAX = 2 ** 48

/**
 * Each state overrides the ones before it at the same incarnation (SWIM 4.2). `left` is an addition of ours: the
 * subject itself announces it.
 */
export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const
export type MemberState = (typeof MEMBER_STATES)[number]

const incarnation = upTo(INCARNATION_MAX)
const ofSubject = { subject: nodeIdCodec, incarnation }
const ofAccuser = { subject: nodeIdCodec, incarnation, accuser: nodeIdCodec }
const ofAlive = { ...ofSubject, name: text(NAME_BYTES_MAX), address }

/** The bytes that the signature of each claim covers, after its domain and the overlay's id. */
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
    /** `target` is the node that the sender means to ping; any other node does not answer. */
    ping: { sequence: u32, target: nodeIdCodec, rumours },
    /** `sequence` is that of the ping or ping-request that this answers. */
    ack: { sequence: u32, rumours },
    /** Names a member, not an address, so that an attacker cannot direct the pings at an address of its choice. */
    'ping-request': { sequence: u32, target: nodeIdCodec, rumours },
    gossip: { rumours },
    /**
     * All rows of the sender's view, its own first. The answer: `claims` that the sender lacks, `want` for its newer
     * rows.
     */
    digest: { rows: list(digestRow, MEMBERS_MAX) },
    want: { ids: list(nodeIdCodec, MEMBERS_MAX) },
    /** The claims behind rows: for each subject the alive claim first, then accusations against it. */
    claims: { claims: list(claim, CLAIMS_PER_MESSAGE_MAX) }
  }
)
export type MembershipMessage = Decoded<typeof membershipMessage>
