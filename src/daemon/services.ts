/** What the handlers of the control API work with. `runtime` and `directory` change when the node changes its overlay. */
import type { Logger } from 'pino'
import type { FolderLeafStore } from '../io/share/leaf-store.ts'
import type { StateDb } from '../io/state/db.ts'
import type { Store } from '../io/store/store.ts'
import type { Ticket } from '../wire/ticket.ts'
import type { Settings } from '../wire/control-settings.ts'
import type { Directory } from './directory.ts'
import type { PassingFetches } from './gateway/passing.ts'
import type { Home } from './home.ts'
import type { Indexing } from './indexing.ts'
import type { Runtime } from './runtime.ts'
import type { Searches } from './searches.ts'
import type { Transfers } from './transfers.ts'

export interface Services {
  readonly settings: Settings
  readonly log: Logger
  readonly db: StateDb
  readonly store: Store
  readonly leaves: FolderLeafStore
  readonly home: () => Home
  readonly runtime: () => Runtime
  readonly directory: () => Directory
  readonly transfers: () => Transfers
  readonly indexing: Indexing
  readonly searches: Searches
  readonly passing: PassingFetches
  /** Where the gateway listens: HOST:PORT, or nowhere. */
  readonly gateway: () => string | undefined
  /** Goes over to the ticket's overlay, or takes its contacts and key. Throws ShoalError `conflict`. */
  readonly adoptTicket: (ticket: Ticket) => Promise<void>
  /** Says goodbye, forgets the overlay, and founds one of its own. */
  readonly leaveOverlay: () => Promise<void>
  readonly askToStop: () => void
  readonly startedMs: number
}
