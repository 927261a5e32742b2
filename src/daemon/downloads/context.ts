/** What the parts of this room share. Only downloads.ts makes one. */
import type { Logger } from 'pino'
import type { ContentId } from '../../base/ids.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { ShareMonitor } from '../sharing/monitor.ts'
import type { Listeners } from './events.ts'
import type { HolderWatch } from './holder-watch.ts'
import type { Memory } from './memory.ts'
import type { DownloadNode } from './node.ts'
import type { ShortageWatch } from './shortage-watch.ts'
import type { Download } from './state.ts'
import type { Turns } from './turns.ts'

export type DownloadStore = Pick<
  ContentStore,
  | 'addDownload'
  | 'holding'
  | 'holdings'
  | 'manifest'
  | 'pathOf'
  | 'problem'
  | 'putBack'
  | 'refuseOtherPlace'
  | 'remove'
  | 'watch'
>

/** Whether what is served can still be read. */
export type DownloadMonitor = Pick<ShareMonitor, 'offered' | 'suspect'>

export interface Entry {
  readonly download: Download
  /** What the catalogue said before the `get`. */
  before: Holding | undefined
}

export interface DownloadsContext {
  readonly store: DownloadStore
  readonly log: Logger
  readonly memory: Memory
  readonly holders: HolderWatch
  readonly shortages: ShortageWatch
  readonly turns: Turns
  readonly listeners: Listeners
  /** Downloads that are not over, and complete ones of this process. */
  readonly entries: Map<ContentId, Entry>
  /** Undefined between two overlays, and before the first. */
  node: DownloadNode | undefined
  /** With the node. */
  monitor: DownloadMonitor | undefined
}

export function forgetEntry({ entries, holders, shortages }: DownloadsContext, content: ContentId): void {
  entries.delete(content)
  holders.forget(content)
  shortages.restart(content)
}

/** Serves and publishes what is complete. */
export async function offer(context: DownloadsContext, content: ContentId): Promise<void> {
  const held = await context.store.manifest(content)
  if (held === undefined) {
    context.log.error({ content }, 'the manifest of a share is missing: share its folder again')
    return
  }
  context.node?.seed(content, held.manifest.layout)
  context.monitor?.offered(content)
}
