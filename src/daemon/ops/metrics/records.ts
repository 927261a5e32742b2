import { by } from '../registry.ts'
import type { Families } from './source.ts'

export const recordsMetrics: Families = [
  {
    name: 'shoal_records_stored',
    type: 'gauge',
    help: 'Provider records that lie here for any node, tombstones too.',
    read: ({ runtime }) => runtime.view.records.counters().stored
  },
  {
    name: 'shoal_records_publications',
    type: 'gauge',
    help: 'Contents that this node publishes, or withdrew lately.',
    read: ({ runtime }) => runtime.view.records.counters().publications
  },
  {
    name: 'shoal_records_published_total',
    type: 'counter',
    help: 'Publications that became safe on all their replicas.',
    read: ({ counts }) => counts.published
  },
  {
    name: 'shoal_records_requests_total',
    type: 'counter',
    help: 'Questions of other nodes about records, by kind.',
    labels: { kind: ['put', 'get'] },
    read: ({ runtime }) => {
      const { putsReceived, getsReceived } = runtime.view.records.counters()
      return by('kind', { put: putsReceived, get: getsReceived })
    }
  },
  {
    name: 'shoal_records_finds_total',
    type: 'counter',
    help: 'Searches for providers that ended, by whether most replicas answered.',
    labels: { outcome: ['complete', 'incomplete'] },
    read: ({ counts }) => by('outcome', counts.finds)
  }
]
