/** What metrics are read from. */
import type { Runtime } from '../../node/runtime.ts'
import type { EventLoop } from '../event-loop.ts'
import type { Family } from '../registry.ts'
import type { EventCounts } from '../event-counts.ts'

export interface Source {
  /** Of the overlay that the node is in now: its counters begin anew with each. */
  readonly runtime: Runtime
  readonly counts: EventCounts
  readonly eventLoop: EventLoop
  readonly ready: boolean
}

export type Families = ReadonlyArray<Family<Source>>
