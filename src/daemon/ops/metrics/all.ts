/** Every family, in the order in which they are told. A room adds its own list here. */
import { exchangeMetrics } from './exchange.ts'
import { membershipMetrics } from './membership.ts'
import { netMetrics } from './net.ts'
import { processMetrics } from './process.ts'
import { recordsMetrics } from './records.ts'
import { ringMetrics } from './ring.ts'
import { searchMetrics } from './search.ts'
import type { Families } from './source.ts'

export const METRICS: Families = [
  ...membershipMetrics,
  ...ringMetrics,
  ...recordsMetrics,
  ...exchangeMetrics,
  ...searchMetrics,
  ...netMetrics,
  ...processMetrics
]
