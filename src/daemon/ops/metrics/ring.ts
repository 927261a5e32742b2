import { by } from '../registry.ts'
import type { Families } from './source.ts'

export const ringMetrics: Families = [
  {
    name: 'shoal_ring_joined',
    type: 'gauge',
    help: '1 while the node has a place on the ring, else 0.',
    read: ({ runtime }) => (runtime.view.ring.joined() ? 1 : 0)
  },
  {
    name: 'shoal_ring_successors',
    type: 'gauge',
    help: 'Entries of the successor list.',
    read: ({ runtime }) => runtime.view.ring.tables().successors.length
  },
  {
    name: 'shoal_ring_lookups_total',
    type: 'counter',
    help: 'Lookups that began here and ended, by outcome.',
    labels: { outcome: ['found', 'lost'] },
    read: ({ counts }) => by('outcome', counts.lookups)
  },
  {
    name: 'shoal_ring_lookup_hops_total',
    type: 'counter',
    help: 'Messages from node to node that the found lookups took together.',
    read: ({ counts }) => counts.lookupHops
  }
]
