/** The process itself. Names without the prefix are those that Prometheus' own clients use. */
import { VERSION } from '../../process/version.ts'
import { descriptorsMax, openDescriptors } from '../descriptors.ts'
import { by, type Sample } from '../registry.ts'
import type { Families } from './source.ts'

const known = (value: number | undefined): readonly Sample[] => (value === undefined ? [] : [{ value }])

export const processMetrics: Families = [
  {
    name: 'shoal_build_info',
    type: 'gauge',
    help: '1, with the versions of Shoal and Node.',
    labels: { version: [VERSION], node: [process.version] },
    read: () => [{ labels: { version: VERSION, node: process.version }, value: 1 }]
  },
  {
    name: 'shoal_ready',
    type: 'gauge',
    help: '1 while /readyz says so, else 0.',
    read: ({ ready }) => (ready ? 1 : 0)
  },
  {
    name: 'shoal_event_loop_delay_seconds',
    type: 'summary',
    help: 'How late the event loop is; the quantiles are of the last minute or more.',
    read: ({ eventLoop }) => {
      const { p50Seconds, p99Seconds, sumSeconds, count } = eventLoop.read()
      return [
        { labels: { quantile: '0.5' }, value: p50Seconds },
        { labels: { quantile: '0.99' }, value: p99Seconds },
        { suffix: '_sum', value: sumSeconds },
        { suffix: '_count', value: count }
      ]
    }
  },
  {
    name: 'shoal_memory_bytes',
    type: 'gauge',
    help: 'Memory of the JavaScript engine by kind.',
    labels: { kind: ['heap_used', 'heap_total', 'external', 'array_buffers'] },
    read: () => {
      const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
      return by('kind', { heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers })
    }
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory.',
    read: () => process.memoryUsage.rss()
  },
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time of user and system together.',
    read: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    }
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'When the process began, seconds since 1970.',
    read: () => performance.timeOrigin / 1_000
  },
  { name: 'process_open_fds', type: 'gauge', help: 'Open files and sockets.', read: () => known(openDescriptors()) },
  {
    name: 'process_max_fds',
    type: 'gauge',
    help: 'How many files and sockets may be open.',
    read: () => known(descriptorsMax()).map(({ value }) => ({ value: Math.min(value, Number.MAX_SAFE_INTEGER) }))
  }
]
