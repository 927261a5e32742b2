/** What the owner of the downloads asks of the node, and hears from it: the exchange of core, and nothing else. */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { ExchangeEvent, Progress, Shortage } from '../../core/exchange/contract.ts'
import type { Ban } from '../../core/exchange/download/bans.ts'
import type { Contact } from '../../wire/common.ts'
import type { Layout } from '../../wire/bittorrent/layout.ts'
import { nameOf } from '../node/member-names.ts'
import type { Runtime } from '../node/runtime.ts'

/**
 * Commands may not be given from within a watcher: the machine is being drained then. Reads may.
 */
export interface DownloadNode {
  /** Starts, or continues, a download that the catalogue holds. `offered`: what is there of it is published. */
  fetch(content: ContentId, options: { offered: boolean }): void
  /** All of it is here: serves and publishes it. */
  seed(content: ContentId, layout: Layout): void
  pause(content: ContentId): void
  resume(content: ContentId): void
  /** Fetches and serves nothing of it any more. No event about the content follows. */
  remove(content: ContentId): void
  /** Names peers that may hold it. */
  sources(content: ContentId, contacts: readonly Contact[]): void
  /** Undefined for what is not a download of this node. */
  progress(content: ContentId): Progress | undefined
  /** Every peer that is banned for the content, or everywhere. */
  banned(content: ContentId): Set<NodeId>
  /** Why a download stands still; undefined while something is under way or can be. */
  shortage(content: ContentId): Shortage | undefined
  /** What people call a member. */
  nameOf(peer: NodeId): string
  /** Calls `watcher` with every event of the exchange until the returned function is called. */
  watch(watcher: (event: ExchangeEvent) => void): () => void
}

export function downloadNode(runtime: Runtime): DownloadNode {
  return {
    fetch: (content, { offered }) => {
      runtime.call((node, at) => {
        node.setOffered(content, offered)
        node.exchange.get(content, at)
      })
    },
    seed: (content, layout) => {
      runtime.call((node, at) => {
        node.setOffered(content, true)
        node.seed(content, layout, at)
      })
    },
    pause: content => {
      runtime.call((node, at) => {
        node.exchange.pause(content, at)
      })
    },
    resume: content => {
      runtime.call((node, at) => {
        node.exchange.resume(content, at)
      })
    },
    remove: content => {
      runtime.call((node, at) => {
        node.exchange.remove(content, at)
      })
    },
    sources: (content, contacts) => {
      runtime.call((node, at) => {
        node.exchange.sources(content, contacts, at)
      })
    },
    progress: content => runtime.view.exchange.progress(content),
    banned: content => bannedFor(content, runtime.view.exchange.banned()),
    shortage: content => runtime.view.exchange.shortage(content),
    nameOf: peer => nameOf(peer, runtime.view.membership.member(peer)),
    watch: watcher =>
      runtime.watch(({ room, event }) => {
        if (room === 'exchange') watcher(event)
      })
  }
}

function bannedFor(content: ContentId, bans: readonly Ban[]): Set<NodeId> {
  return new Set(bans.filter(ban => ban.content === content || ban.content === 'everywhere').map(({ peer }) => peer))
}
