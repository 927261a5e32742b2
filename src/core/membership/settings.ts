/** Constants of the membership with their formulas, and the presets that scale them to a network. */

export interface MembershipSettings {
  /** One member is probed each period (SWIM 3.1: T'). */
  readonly periodMs: number
  /** Pause between gossip datagrams while there are rumours to spread. */
  readonly gossipMs: number
}

/** `lan` for one site, `wan` across sites, `local` for processes of one machine. */
export const PRESETS = {
  lan: { periodMs: 1_000, gossipMs: 200 },
  local: { periodMs: 200, gossipMs: 50 },
  wan: { periodMs: 5_000, gossipMs: 500 }
} as const satisfies Record<string, MembershipSettings>

/** Periods differ by up to this share, so that nodes started together do not probe together. */
export const JITTER = 0.05
/** SWIM 3.1: k, the proxies asked for an indirect ping. */
export const PROXIES = 3
/** Members that one gossip tick goes to. */
export const GOSSIP_FANOUT = 3

/** SWIM 4.1: each rumour is sent lambda * log N times. The logarithm is of base 10, as memberlist's RetransmitMult has it. */
export const RUMOUR_MULTIPLIER = 4
export function rumourTimes(members: number): number {
  return RUMOUR_MULTIPLIER * Math.ceil(Math.log10(members + 1))
}

/** Distinct signers beside the first that bring a suspicion down to its shortest (Lifeguard 4.2: k). */
export const CONFIRMATIONS = 2
export const SUSPICION_MULTIPLIER = 4
export const SUSPICION_MAX_MULTIPLIER = 6

/** The shortest and longest suspicion among `members` members: min = 4 * max(1, log10 N) * period, max = 6 * min. */
export function suspicionBoundsMs(members: number, periodMs: number): { minMs: number; maxMs: number } {
  const minMs = SUSPICION_MULTIPLIER * Math.max(1, Math.log10(Math.max(1, members))) * periodMs
  return { minMs, maxMs: SUSPICION_MAX_MULTIPLIER * minMs }
}

/**
 * How long a suspicion with `confirmations` distinct signers beside the first lasts from its start:
 * max - (max - min) * ln(c + 1) / ln(k + 1). Without k others that could confirm it is min at once.
 */
export function suspicionMs(options: { members: number; periodMs: number; confirmations: number }): number {
  const { minMs, maxMs } = suspicionBoundsMs(options.members, options.periodMs)
  // Neither the suspect nor its first accuser can confirm.
  if (options.members - 2 < CONFIRMATIONS) return minMs
  const share = Math.log(options.confirmations + 1) / Math.log(CONFIRMATIONS + 1)
  return Math.max(minMs, maxMs - (maxMs - minMs) * share)
}

/** How long to wait for a direct ack before proxies are asked: RFC 6298's srtt + 4 * rttvar, within a tenth and half of the period. */
export function pingTimeoutMs(rtt: { meanMs: number; varianceMs: number } | undefined, periodMs: number): number {
  const longestMs = periodMs / 2
  if (rtt === undefined) return longestMs
  return Math.min(longestMs, Math.max(periodMs / 10, rtt.meanMs + 4 * rtt.varianceMs))
}

/** Pauses between the push-pulls after joining, then the lasting pause. */
export const SYNC_BURST_MS = [1_000, 2_000, 4_000] as const
export const SYNC_MS = 30_000
/** Partners of the first push-pull: contacts, and as many restored members. */
export const SYNC_FIRST_PARTNERS = 3
/** One dead member is tried this often: that is what heals a partition. */
export const DEAD_RETRY_MS = 30_000
export const DEAD_KEPT_MS = 24 * 3_600_000

/** The dead and the left that are kept among `members` live ones. */
export function deadKept(members: number): number {
  return Math.max(1_000, 2 * members)
}
