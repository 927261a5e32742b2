/** What metrics are read from. */
import type { Runtime } from '../../runtime.ts'
import type { EventLoop } from '../event-loop.ts'
import type { Family } from '../registry.ts'
import type { Tally } from '../tally.ts'

export interface Source {
  /** Of the overlay that the node is in now: its counters begin anew with each. */
  readonly runtime: Runtime
  readonly tally: Tally
  readonly eventLoop: EventLoop
  readonly ready: boolean
}

export type Families = ReadonlyArray<Family<Source>>
