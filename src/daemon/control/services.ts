/**
 * What the handlers of the control API work with. `home`, `runtime`, `directory` and `monitor` are those of the present
 * overlay, or of the last one while the node changes it: calls of that one fail with `busy`. A handler that goes on for long
 * waits for `settled` before each look.
 */
import type { Logger } from 'pino'
import type { FolderLeafStore } from '../../io/share/leaf-store.ts'
import type { StateDb } from '../../io/state/db.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { Ticket } from '../../wire/ticket.ts'
import type { Settings } from '../../wire/control/settings.ts'
import type { Directory } from '../sharing/directory.ts'
import type { Downloads } from '../downloads/downloads.ts'
import type { EphemeralDownloads } from '../downloads/ephemeral.ts'
import type { Home } from '../home/home.ts'
import type { Indexing } from '../sharing/indexing.ts'
import type { SharedRow } from '../sharing/publish.ts'
import type { ShareJobs } from '../sharing/share-jobs.ts'
import type { Runtime } from '../node/runtime.ts'
import type { ShareMonitor } from '../sharing/monitor.ts'
import type { Searches } from '../search/searches.ts'

export interface Services {
  readonly settings: Settings
  readonly log: Logger
  readonly db: StateDb
  readonly store: ContentStore
  readonly leaves: FolderLeafStore
  readonly home: () => Home
  readonly runtime: () => Runtime
  readonly directory: () => Directory
  readonly monitor: () => ShareMonitor
  readonly downloads: Downloads
  readonly indexing: Indexing
  readonly sharing: ShareJobs<SharedRow>
  readonly searches: Searches
  readonly passing: EphemeralDownloads
  /** Where the gateway listens: HOST:PORT, or nowhere. */
  readonly gateway: () => string | undefined
  /** Resolves when the node works in an overlay. Throws ShoalError `busy`, `interrupted`, and the signal's reason. */
  readonly settled: (signal: AbortSignal) => Promise<void>
  /** Goes over to the ticket's overlay, or takes its contacts and key. Throws ShoalError as OverlayChanges.adopt. */
  readonly adoptTicket: (ticket: Ticket) => Promise<void>
  /** Says goodbye, forgets the overlay, and founds one of its own. Throws ShoalError as OverlayChanges.leave. */
  readonly leaveOverlay: () => Promise<void>
  readonly askToStop: () => void
  readonly startedMs: number
}
