/** What can be tuned about provider records, and what bounds them. */

export interface RecordsSettings {
  /** k: an acked record is safe on the disks of so many nodes, or of all where there are fewer. */
  readonly replicas: number
  readonly ttlMs: number
  /** Less than half of the time to live: one refresh may fail altogether. */
  readonly refreshMs: number
  /** For the answer to a message; doubled for each further one. */
  readonly answerMs: number
  /** The same for a message over the stream, which may have to be opened first. */
  readonly streamAnswerMs: number
  readonly tries: number
  /** Before what could not be delivered is tried again; doubled by each failure. */
  readonly backoffMs: number
  readonly backoffMsMax: number
  readonly findDeadlineMs: number
  /** From one comparison of a range with a replica to the next, once they agree. */
  readonly syncMs: number
  /** What is no longer this node's stays so long after others have it. */
  readonly graceMs: number
  /** From one look at all records to the next: what has expired, what is no longer this node's. */
  readonly sweepMs: number
  /** Records held for others. About 600 bytes of memory each. */
  readonly recordsMax: number
  readonly recordsPerKeyMax: number
  /** Of one provider: a member that announces without end fills no more than this here. */
  readonly recordsPerProviderMax: number
  /** Keys that this node provides for itself. */
  readonly publicationsMax: number
}

const HOUR_MS = 3_600_000

export const RECORDS_DEFAULTS: RecordsSettings = {
  replicas: 3,
  ttlMs: 48 * HOUR_MS,
  refreshMs: 22 * HOUR_MS,
  answerMs: 500,
  streamAnswerMs: 3_000,
  tries: 4,
  backoffMs: 500,
  backoffMsMax: 15_000,
  findDeadlineMs: 10_000,
  syncMs: 30_000,
  graceMs: 60_000,
  sweepMs: 30_000,
  recordsMax: 100_000,
  recordsPerKeyMax: 10_000,
  recordsPerProviderMax: 50_000,
  publicationsMax: 50_000
}

/** From a new record in a range of this node to the comparison with its replicas, so that several make one. */
export const TOUCHED_MS = 2_000
/** Lookups for deliveries in flight at once, and deliveries that share the answer to one. */
export const LOCATES_MAX = 8
export const SHARED_PARCELS_MAX = 1_024
/** Finds under way at once. */
export const FINDS_MAX = 1_024
/** Providers that one find gathers. */
export const PROVIDERS_MAX = 256
/** Puts of others that wait for the disk. */
export const WAITING_PUTS_MAX = 1_024
/** A refresh takes along what is due within this share of the pause between two: ranges are put in batches. */
export const REFRESH_AHEAD = 1 / 16
/** What is left of a record's time to live is written down again after each such share of it. */
export const LEFT_STEP = 1 / 8

/** The most of each that fit a datagram: 147, 9 and 8 bytes; more go over the stream. */
export const DATAGRAM_COPIES_MAX = 7
export const DATAGRAM_OUTCOMES_MAX = 100
export const DATAGRAM_MARKS_MAX = 100
