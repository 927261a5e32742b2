import type { Progress } from '../../../core/exchange/contract.ts'
import { by } from '../registry.ts'
import type { Families } from './source.ts'

export const exchangeMetrics: Families = [
  {
    name: 'shoal_exchange_bytes_total',
    type: 'counter',
    help: 'Bytes of blocks sent and received, without framing.',
    labels: { direction: ['up', 'down'] },
    read: ({ runtime }) => {
      const { upBytes, downBytes } = runtime.traffic.total
      return by('direction', { up: upBytes, down: downBytes })
    }
  },
  {
    name: 'shoal_exchange_unexpected_bytes_total',
    type: 'counter',
    help: 'Bytes of blocks that came too late or that nobody asked for.',
    read: ({ runtime }) => runtime.traffic.unexpectedBytes
  },
  {
    name: 'shoal_exchange_in_flight_bytes',
    type: 'gauge',
    help: 'Bytes asked for and not written yet.',
    read: ({ runtime }) => runtime.view.exchange.counters().inFlightBytes
  },
  {
    name: 'shoal_exchange_downloads',
    type: 'gauge',
    help: 'Downloads of this process by state.',
    labels: { state: ['finding', 'preparing', 'fetching', 'finishing', 'complete', 'paused'] },
    read: ({ runtime }) => {
      const states: Record<Progress['state'], number> = {
        ...{ finding: 0, preparing: 0, fetching: 0, finishing: 0, complete: 0, paused: 0 }
      }
      for (const { progress } of runtime.view.exchange.contents()) if (progress !== undefined) states[progress.state]++
      return by('state', states)
    }
  },
  {
    name: 'shoal_exchange_seeds',
    type: 'gauge',
    help: 'Contents that were whole from the start and are served.',
    read: ({ runtime }) => runtime.view.exchange.contents().filter(({ role }) => role === 'seed').length
  },
  {
    name: 'shoal_exchange_downloads_completed_total',
    type: 'counter',
    help: 'Downloads that became complete.',
    read: ({ counts }) => counts.downloadsCompleted
  },
  {
    name: 'shoal_exchange_peers',
    type: 'gauge',
    help: 'Peers interested in something here, and peers that serve this node.',
    labels: { role: ['interested', 'serving'] },
    read: ({ runtime }) => {
      const { peersInterested, peersServing } = runtime.view.exchange.counters()
      return by('role', { interested: peersInterested, serving: peersServing })
    }
  },
  {
    name: 'shoal_exchange_bans',
    type: 'gauge',
    help: 'Bans in force.',
    read: ({ runtime }) => runtime.view.exchange.banned().length
  },
  {
    name: 'shoal_exchange_bans_total',
    type: 'counter',
    help: 'Bans of peers that sent what is wrong.',
    read: ({ counts }) => counts.bans
  },
  {
    name: 'shoal_exchange_changed_pieces_total',
    type: 'counter',
    help: 'Pieces withdrawn because a shared file changed.',
    read: ({ counts }) => counts.changedPieces
  }
]
