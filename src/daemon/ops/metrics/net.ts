import { REFUSAL_REASONS, type RefusalReason } from '../../../io/net/refusals.ts'
import { by } from '../registry.ts'
import { ROOM_NAMES } from '../../../core/node/table.ts'
import type { Families } from './source.ts'

const snake = (reason: RefusalReason): string => reason.replaceAll('-', '_')

export const netMetrics: Families = [
  {
    name: 'shoal_net_datagrams_total',
    type: 'counter',
    help: 'Datagrams over UDP, refused ones too.',
    labels: { direction: ['sent', 'received'] },
    read: ({ runtime }) => {
      const { sent, received } = runtime.net.counts().datagrams
      return by('direction', { sent, received })
    }
  },
  {
    name: 'shoal_net_datagram_bytes_total',
    type: 'counter',
    help: 'Bytes of datagrams, without headers of IP and UDP.',
    labels: { direction: ['sent', 'received'] },
    read: ({ runtime }) => {
      const { sentBytes, receivedBytes } = runtime.net.counts().datagrams
      return by('direction', { sent: sentBytes, received: receivedBytes })
    }
  },
  {
    name: 'shoal_net_connections',
    type: 'gauge',
    help: 'Connections over TCP by who opened them.',
    labels: { direction: ['inbound', 'outbound'] },
    read: ({ runtime }) => {
      const { connections, inbound } = runtime.net.counts()
      return by('direction', { inbound, outbound: connections - inbound })
    }
  },
  {
    name: 'shoal_net_links',
    type: 'gauge',
    help: 'Members with a stream of messages.',
    read: ({ runtime }) => runtime.net.counts().links
  },
  {
    name: 'shoal_net_refusals_total',
    type: 'counter',
    help: 'Datagrams and connections refused, by reason.',
    labels: { reason: REFUSAL_REASONS.map(snake) },
    read: ({ runtime }) => {
      const { refusalsByReason } = runtime.net.counts()
      return REFUSAL_REASONS.map(reason => ({ labels: { reason: snake(reason) }, value: refusalsByReason[reason] }))
    }
  },
  {
    name: 'shoal_misbehaved_total',
    type: 'counter',
    help: 'Times that a member broke a protocol, by the room that saw it.',
    labels: { room: ROOM_NAMES },
    read: ({ counts }) => by('room', counts.misbehaved)
  }
]
