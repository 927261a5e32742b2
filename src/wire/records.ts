/**
 * Messages of the provider records. A record says that a node holds a content, wholly or in part. That node signs it,
 * so any node may forward it. Puts and lists of records travel as datagrams when they fit, otherwise over the stream.
 * The sender of `got` and `inventory` keeps within the limits below.
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

/** A provider signs its claim, which is the record without the signature, under this domain. */
export const PROVIDER_DOMAIN = 'shoal/provider/1'
/** Twice the default of 48 h: a provider may ask for a longer time to live, but not for an unlimited one. */
export const RECORD_TTL_MS_MAX = 96 * 3_600_000
/** Records of one put: about 28 KB. */
export const PUT_RECORDS_MAX = 256
/** Records of one answer: a sample when there are more. About 7 KB. */
export const GOT_RECORDS_MAX = 64
/** Records that one page of an inventory names. */
export const INVENTORY_MAX = 512
/** Records that one pull asks for. */
export const PULL_MAX = 256
/** The first bytes of a SHA-256, enough to distinguish the records of one node. */
export const RECORD_MARK_BYTES = 8
export const DIGEST_BYTES = 16

/** A sequence grows by one with each claim, so no provider reaches this limit. */
export const SEQUENCE_MAX = 2 ** 52

const held = oneOf(['none', 'part', 'all'])
export type Held = Decoded<typeof held>

const claimFields = {
  key: keyCodec,
  provider: nodeIdCodec,
  /** The provider increases it with every claim about this key. */
  sequence: upTo(SEQUENCE_MAX),
  /** Time to live, counted from the moment the record is stored; not a date, because clocks differ. */
  ttlMs: upTo(RECORD_TTL_MS_MAX),
  /** `none` is a tombstone; it has the same time to live as the record that it replaces. */
  held
}
/** The part of a record that is signed. */
export const providerClaim = struct(claimFields)
export type ProviderClaim = Decoded<typeof providerClaim>
export const providerRecord = struct({ ...claimFields, signature })
export type ProviderRecord = Decoded<typeof providerRecord>

/** A record and its remaining time to live. A receiver caps `leftMs` at the record's `ttlMs`. */
export const recordCopy = struct({ record: providerRecord, leftMs: upTo(RECORD_TTL_MS_MAX) })
export type RecordCopy = Decoded<typeof recordCopy>

/**
 * The result of storing a record. stored: it is durable. stale: a higher sequence is stored already. not-mine: the node
 * is not a replica of the key. full: a limit is reached or the disk is full. bad: the signature is invalid.
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
  /** `mine`: the sender is a replica of the key. `total` counts the providers; `records` may be a sample of them. */
  got: { request: varint, mine: bool, total: varint, records: list(providerRecord, GOT_RECORDS_MAX) },
  /**
   * From the owner of an arc to a replica: the digest of the owner's records there. The answer: `same` or
   * `inventory`.
   */
  sync: { request: varint, ...arc, digest: fixed(DIGEST_BYTES) },
  same: { request: varint },
  /** Asks for the page of an inventory that follows `after`; for the first page when `after` is missing. */
  more: { request: varint, ...arc, after: optional(position) },
  /**
   * The sender's records of the arc after the requested position, up to `last`, or up to the arc's end without
   * `last`.
   */
  inventory: { request: varint, marks: list(mark, INVENTORY_MAX), last: optional(position) },
  /** Asks the addressee to send these records with `put`. */
  pull: { ...arc, marks: list(mark, PULL_MAX) }
})
export type RecordsMessage = Decoded<typeof recordsMessage>
export type RecordsMessageOf<K extends RecordsMessage['kind']> = Extract<RecordsMessage, { kind: K }>
