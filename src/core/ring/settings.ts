/** What can be tuned about the ring, and the lengths that follow from the number of members. */
import { SUCCESSORS_MAX } from '../../wire/ring.ts'

export interface RingSettings {
  /** k: the owner of a key and the k - 1 successors behind it hold its records. */
  readonly replicas: number
  /** Mean pause between two stabilisations; each is drawn within a quarter of it. */
  readonly stabiliseMs: number
  /** Mean pause between two measurements of a finger's alternatives. */
  readonly fingerMs: number
  /** For an answer of a node whose round trip was never measured; else ROUND_TRIP_FACTOR times that, within the bounds below. */
  readonly answerMs: number
  /** How often a ring query is sent before the addressee counts as silent. Waits double: 1 + 2 + 4 + 8 times `answerMs`. */
  readonly queryTries: number
  /** How often a lookup is sent to one neighbour before the next best one. */
  readonly hopTries: number
  /** Then the origin begins anew, by the tables as they are by then. */
  readonly lookupAttemptMs: number
  readonly lookupDeadlineMs: number
  /** Mean pause of a joining node after nobody could take it in. */
  readonly joinRetryMs: number
  /** How often a joining node waits for its membership to know whom the ring knows. */
  readonly joinPatience: number
  /** Rounds that find nobody in a ring before a node is the ring itself: time for its membership to know the ring. */
  readonly standUpRounds: number
  /** How long a candidate that did not answer as a member of the ring is left alone. */
  readonly passOverMs: number
}

export const RING_DEFAULTS: RingSettings = {
  replicas: 3,
  stabiliseMs: 2_000,
  fingerMs: 10_000,
  answerMs: 400,
  queryTries: 4,
  hopTries: 2,
  lookupAttemptMs: 1_500,
  lookupDeadlineMs: 10_000,
  joinRetryMs: 300,
  joinPatience: 10,
  standUpRounds: 3,
  passOverMs: 4_000
}

export const ANSWER_MS_MIN = 100
export const ANSWER_MS_MAX = 1_000
/** Room for a busy event loop on either side. */
export const ROUND_TRIP_FACTOR = 3
/** Measured alternatives for each finger: others are drawn the next time. */
export const FINGER_SAMPLE = 4
/** Neighbours that a hop tries in turn before it gives the lookup up. */
export const HOP_NEIGHBOURS_MAX = 4
/** Lookups of others that are in this node's care at once, and those of its own. */
export const RELAYS_MAX = 1_024
export const LOOKUPS_MAX = 512
/** Members that a joining node asks before it concludes that there is no ring. */
export const JOIN_ASKED_MAX = 64
/** Silent successors in a row that one stabilisation walks past. */
export const SILENT_SUCCESSORS_MAX = 3

/** s = max(8, 2 * ceil(log2 N)), at most what a message takes. `members` counts this node too. */
export function successorListLength(members: number): number {
  return Math.min(SUCCESSORS_MAX, Math.max(8, 2 * Math.ceil(Math.log2(Math.max(1, members)))))
}

/** Fewer than s + 1 members: every successor list is the whole membership, and Zave's proof does not apply yet. */
export function isSmall(members: number): boolean {
  return members < successorListLength(members) + 1
}
