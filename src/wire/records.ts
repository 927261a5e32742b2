/**
 * Messages of the provider records. A record says that a node holds a content, wholly or in part, and is signed by that
 * node; who passes it on does not matter. Puts and lists of records travel as datagrams where they fit, else over the
 * stream; the sender of `got` and `inventory` keeps to the limits below.
 */
import {
  bool,
  fixed,
  keyCodec,
  list,
  nodeIdCodec,
  oneOf,
  optional,
  struct,
  union,
  upTo,
  varint,
  type Decoded
} from './codec/codec.ts'
import { signature } from './common.ts'

/** What a provider's signature covers: the record but its signature, under this domain. */
export const PROVIDER_DOMAIN = 'shoal/provider/1'
/** Twice the default of 48 h: a provider may ask for more than the default, not for ever. */
export const RECORD_TTL_MS_MAX = 96 * 3_600_000
/** Records of one put: about 28 KB. */
export const PUT_RECORDS_MAX = 256
/** Records of one answer: a sample when there are more. About 7 KB. */
export const GOT_RECORDS_MAX = 64
/** Records named by one page of an inventory, and asked for in one pull. */
export const INVENTORY_MAX = 512
export const PULL_MAX = 256
/** Enough of a SHA-256 to tell the records of one node apart. */
export const RECORD_MARK_BYTES = 8
export const DIGEST_BYTES = 16

/** Grows by one with each claim: nobody gets there. */
export const SEQUENCE_MAX = 2 ** 52

const held = oneOf(['none', 'part', 'all'])
export type Held = Decoded<typeof held>

const claimFields = {
  key: keyCodec,
  provider: nodeIdCodec,
  /** Grows with every claim of this provider about this key. */
  sequence: upTo(SEQUENCE_MAX),
  /** A duration from when it is stored: no dates. */
  ttlMs: upTo(RECORD_TTL_MS_MAX),
  /** `none` is a tombstone: it lives as long as the record would have. */
  held
}
/** What is signed. */
export const providerClaim = struct(claimFields)
export type ProviderClaim = Decoded<typeof providerClaim>
export const providerRecord = struct({ ...claimFields, signature })
export type ProviderRecord = Decoded<typeof providerRecord>

/** A record and how much of its time to live is left; never more than `ttlMs`, whatever it says. */
export const recordCopy = struct({ record: providerRecord, leftMs: upTo(RECORD_TTL_MS_MAX) })
export type RecordCopy = Decoded<typeof recordCopy>

/**
 * stored: it would survive a crash. stale: a higher sequence is stored. not-mine: the addressee is none of the key's
 * replicas. full: a limit or the disk. bad: the signature is wrong.
 */
const verdict = oneOf(['stored', 'stale', 'not-mine', 'full', 'bad'])
export type Verdict = Decoded<typeof verdict>

/** The order of records in an arc: clockwise by key, then by provider. */
const position = struct({ key: keyCodec, provider: nodeIdCodec })
export type Position = Decoded<typeof position>
const mark = fixed(RECORD_MARK_BYTES)
const arc = { from: keyCodec, to: keyCodec }

const tags = { put: 0, stored: 1, get: 2, got: 3, sync: 4, same: 5, more: 6, inventory: 7, pull: 8 } as const

export const recordsMessage = union(tags, {
  put: { request: varint, copies: list(recordCopy, PUT_RECORDS_MAX) },
  /** One outcome for each record of the put, in its order. `sequence` is the highest that the sender knows of. */
  stored: { request: varint, outcomes: list(struct({ verdict, sequence: upTo(SEQUENCE_MAX) }), PUT_RECORDS_MAX) },
  get: { request: varint, key: keyCodec },
  /** `mine`: the sender is among the replicas of the key. `total` counts the providers, of which this may be a sample. */
  got: { request: varint, mine: bool, total: varint, records: list(providerRecord, GOT_RECORDS_MAX) },
  /** From the owner of an arc to a replica: this is the digest of all that I hold of it; what do you hold? */
  sync: { request: varint, ...arc, digest: fixed(DIGEST_BYTES) },
  same: { request: varint },
  /** The next page of an inventory, behind `after`; the first one where that is missing. */
  more: { request: varint, ...arc, after: optional(position) },
  /** All that the sender holds of the arc behind the position asked for and up to `last`; to the arc's end without it. */
  inventory: { request: varint, marks: list(mark, INVENTORY_MAX), last: optional(position) },
  /** Put me these. */
  pull: { ...arc, marks: list(mark, PULL_MAX) }
})
export type RecordsMessage = Decoded<typeof recordsMessage>
export type RecordsMessageOf<K extends RecordsMessage['kind']> = Extract<RecordsMessage, { kind: K }>
