/** The node itself: hello, stop, status. */
import { peerIdText } from '../../../base/ids.ts'
import { addressText } from '../../../wire/common.ts'
import type { ContentId } from '../../../base/ids.ts'
import type { BannedRow, StatusResult, TransferRow } from '../../../wire/control/methods.ts'
import type { Handlers } from '../server.ts'
import { ownOrFailed } from '../../search/find.ts'
import { nameOf } from '../../node/member-names.ts'
import { failedRow, transferRow } from '../../downloads/rows.ts'
import type { Services } from '../services.ts'
import { VERSION } from '../../process/version.ts'
import { every } from './every.ts'
import { damagedShares } from './share.ts'

/** Between the lines of `status --follow`. */
const FOLLOW_MS = 500

export function nodeHandlers(services: Services): Pick<Handlers, 'hello' | 'stop' | 'status'> {
  return {
    hello: async () => {
      const runtime = services.runtime()
      return {
        ...{
          id: peerIdText(runtime.self),
          name: services.settings.name,
          addresses: runtime.addresses.map(addressText)
        },
        ...{ ready: true, overlay: runtime.overlay.id, version: VERSION, pid: process.pid }
      }
    },
    stop: async () => {
      services.askToStop()
      return { stopping: true }
    },
    status: async ({ id, follow }, { signal, emit }) => {
      const only = id === undefined ? undefined : await ownOrFailed(services, id)
      if (follow === true) {
        for await (const _ of every(FOLLOW_MS, signal, services.settled))
          emit({ event: 'status', ...(await status(services, only)) })
      }
      return status(services, only)
    }
  }
}

async function status(services: Services, only: ContentId | undefined): Promise<StatusResult> {
  const runtime = services.runtime()
  const gateway = services.gateway()
  const sharing = services.sharing.rows()
  const members = { alive: 0, suspect: 0, dead: 0, left: 0 }
  for (const member of runtime.view.membership.members()) members[member.state]++
  return {
    ...{ ready: true, id: peerIdText(runtime.self), name: services.settings.name, overlay: runtime.overlay.id },
    ...{ addresses: runtime.addresses.map(addressText), members, transfers: await transfers(services, only) },
    ...(runtime.twin === undefined ? {} : { twin: addressText(runtime.twin) }),
    ...(gateway === undefined ? {} : { gateway: `http://${gateway}/content/` }),
    damaged: await damagedShares(services),
    ...(sharing.length === 0 ? {} : { sharing }),
    ...{ banned: banned(services), refused: { ...runtime.refused } },
    uptimeSeconds: Math.floor((performance.now() - services.startedMs) / 1000),
    rssBytes: process.memoryUsage.rss()
  }
}

/** What the node exchanges, then what failed; complete shares of the user are no transfers. */
async function transfers(services: Services, only: ContentId | undefined): Promise<TransferRow[]> {
  const { downloads, store } = services
  const { view } = services.runtime()
  const isAsked = (content: ContentId): boolean => only === undefined || content === only
  const active = view.exchange.contents().filter(({ role, content }) => role === 'download' && isAsked(content))
  const rows = await Promise.all(active.map(({ content }) => transferRow({ downloads, store, view }, content)))
  const failed = downloads.failures().filter(([content]) => isAsked(content))
  return [...rows.filter(row => row !== undefined), ...failed.map(([content, failure]) => failedRow(content, failure))]
}

function banned(services: Services): BannedRow[] {
  const runtime = services.runtime()
  return runtime.view.exchange.banned().map(({ peer, content, reason }) => ({
    ...{ id: peerIdText(peer), name: nameOf(peer, runtime.view.membership.member(peer)), content, reason }
  }))
}
