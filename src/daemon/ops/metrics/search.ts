import { DROP_REASONS, MESSAGE_KINDS } from '../../../core/search/counters.ts'
import { by } from '../registry.ts'
import type { Families } from './source.ts'

export const searchMetrics: Families = [
  {
    name: 'shoal_search_neighbours',
    type: 'gauge',
    help: 'Neighbours in the graph that queries flow over.',
    read: ({ runtime }) => runtime.view.search.neighbours().length
  },
  {
    name: 'shoal_search_reach_nodes',
    type: 'gauge',
    help: 'Nodes within reach, as pongs tell, this one included.',
    read: ({ runtime }) => runtime.view.search.reach().nodes
  },
  {
    name: 'shoal_search_messages_sent_total',
    type: 'counter',
    help: 'Messages of search sent, by kind.',
    labels: { kind: MESSAGE_KINDS },
    read: ({ runtime }) => by('kind', runtime.view.search.counters().sent)
  },
  {
    name: 'shoal_search_messages_received_total',
    type: 'counter',
    help: 'Messages of search received, by kind.',
    labels: { kind: MESSAGE_KINDS },
    read: ({ runtime }) => by('kind', runtime.view.search.counters().received)
  },
  {
    name: 'shoal_search_dropped_total',
    type: 'counter',
    help: 'Descriptors dropped, by reason.',
    labels: { reason: DROP_REASONS },
    read: ({ runtime }) => by('reason', runtime.view.search.counters().dropped)
  },
  {
    name: 'shoal_search_queries_total',
    type: 'counter',
    help: 'Queries of others and of this node that were looked up here.',
    read: ({ runtime }) => runtime.view.search.counters().queries
  },
  {
    name: 'shoal_search_pruned_total',
    type: 'counter',
    help: 'Copies of queries that were not sent, since a table of words says that they would find nothing.',
    read: ({ runtime }) => runtime.view.search.counters().pruned
  },
  {
    name: 'shoal_search_cut_off_total',
    type: 'counter',
    help: 'Neighbours that were cut off for sending far too much.',
    read: ({ runtime }) => runtime.view.search.counters().cutOff
  },
  {
    name: 'shoal_search_searches_total',
    type: 'counter',
    help: 'Searches of this node that ended, by what ended them.',
    labels: { ended: ['limit', 'exhausted', 'timeout', 'cancelled'] },
    read: ({ counts }) => by('ended', counts.searches)
  },
  {
    name: 'shoal_search_results_total',
    type: 'counter',
    help: 'Results that came in for searches of this node.',
    read: ({ counts }) => counts.results
  },
  {
    name: 'shoal_search_pushes_total',
    type: 'counter',
    help: 'Times that this node was asked to dial who could not dial it.',
    read: ({ counts }) => counts.pushes
  }
]
