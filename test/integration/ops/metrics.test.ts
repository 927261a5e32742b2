/** What probes and scrapers see of real daemons. */
import { spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { METRICS } from '../../../src/daemon/ops/metrics/all.ts'
import { Cluster, until, type Daemon } from '../cluster.ts'
import { overPort, overSocket, seriesIn } from './http.ts'

const promtool = spawnSync('promtool', ['--version']).status === 0
const BYTES = 3 << 20

let cluster: Cluster
let first: Daemon
let second: Daemon

beforeAll(async () => {
  cluster = await Cluster.start(2)
  first = cluster.node(1)
  second = cluster.node(2)
})
afterAll(() => cluster.close())

describe('a daemon tells probes', () => {
  it('that it is alive and ready, on its control socket', async () => {
    expect(await overSocket(first, '/healthz')).toEqual({ status: 200, text: 'alive\n' })
    await until('the second is ready', async () => (await overSocket(second, '/readyz')).status === 200)
    expect(await overSocket(second, '/readyz')).toEqual({ status: 200, text: 'ready\n' })
  })

  it('that it waits for its overlay when nobody of the ticket answers', async () => {
    const other = await Cluster.empty()
    try {
      const founder = await other.found('n1')
      const newcomer = await other.join('n2', { before: () => founder.kill('SIGKILL') })
      await until('it waits for nothing but a member', async () => {
        const { status, text } = await overSocket(newcomer, '/readyz')
        expect(status).toBe(503)
        return text === 'waiting for an answer of a member of its overlay\n'
      })
      expect((await overSocket(newcomer, '/healthz')).status).toBe(200)
      await founder.start()
      await until('it has met the founder', async () => (await overSocket(newcomer, '/readyz')).status === 200)
    } finally {
      await other.close()
    }
  })
})

describe('metrics', () => {
  it('count what was fetched, on both sides', async () => {
    const file = cluster.folder('file')
    fs.writeFileSync(file, Buffer.alloc(BYTES, 'shoal'))
    const { id } = await first.ok('share', [file])
    const into = cluster.folder('into')
    fs.mkdirSync(into)
    await second.ok('get', [id, '-o', into])
    const [given, taken] = await Promise.all([overSocket(first, '/metrics'), overSocket(second, '/metrics')])
    expect(seriesIn(given.text, 'shoal_exchange_bytes_total{direction="up"}')).toBeGreaterThanOrEqual(BYTES)
    expect(seriesIn(taken.text, 'shoal_exchange_bytes_total{direction="down"}')).toBeGreaterThanOrEqual(BYTES)
    expect(seriesIn(taken.text, 'shoal_exchange_downloads_completed_total')).toBe(1)
    expect(seriesIn(taken.text, 'shoal_members{state="alive"}')).toBe(2)
    expect(seriesIn(taken.text, 'shoal_ring_joined')).toBe(1)
    expect(seriesIn(taken.text, 'shoal_ready')).toBe(1)
    expect(seriesIn(given.text, 'shoal_exchange_seeds')).toBe(1)
    for (const series of ['shoal_records_stored', 'shoal_ring_lookups_total{outcome="found"}']) {
      expect([series, (seriesIn(given.text, series) ?? 0) > 0]).toEqual([series, true])
    }
    expect(seriesIn(given.text, 'shoal_records_publications')).toBe(1)
    const puts = await Promise.all([first, second].map(node => overSocket(node, '/metrics')))
    const asked = puts.map(({ text }) => seriesIn(text, 'shoal_records_requests_total{kind="put"}') ?? 0)
    expect(Math.max(...asked)).toBeGreaterThan(0)
    await until('probes are counted', async () => {
      const { text } = await overSocket(first, '/metrics')
      const sent = seriesIn(text, 'shoal_net_datagrams_total{direction="sent"}') ?? 0
      return sent > 0 && (seriesIn(text, 'shoal_membership_probes_total{stage="begun"}') ?? 0) > 0
    })
  })

  it('tell how late the event loop is', async () => {
    const { text } = await overSocket(first, '/metrics')
    expect(seriesIn(text, 'shoal_event_loop_delay_seconds_count')).toBeGreaterThan(0)
    const [middle, worst] = ['0.5', '0.99'].map(at =>
      seriesIn(text, `shoal_event_loop_delay_seconds{quantile="${at}"}`)!
    )
    expect(middle).toBeLessThanOrEqual(worst!)
    expect(worst).toBeLessThan(60)
  })

  it('count what is refused, by reason', async () => {
    const series = 'shoal_net_refusals_total{reason="malformed"}'
    const before = seriesIn((await overSocket(first, '/metrics')).text, series) ?? 0
    const [host = '', port = ''] = first.address.split(':')
    const socket = dgram.createSocket('udp4')
    for (let sent = 0; sent < 3; sent++) {
      await new Promise(resolve => socket.send('no datagram of ours', Number(port), host, resolve))
    }
    socket.close()
    await until('all three are counted', async () => {
      return seriesIn((await overSocket(first, '/metrics')).text, series) === before + 3
    })
  })

  it('have every family, each series once, and numbers', async () => {
    const { text } = await overSocket(first, '/metrics')
    for (const { name, type } of METRICS) expect(text).toContain(`# TYPE ${name} ${type}\n`)
    const series = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
    const names = series.map(line => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(names).size).toBe(names.length)
    expect(series.filter(line => !Number.isFinite(Number(line.slice(line.lastIndexOf(' ') + 1))))).toEqual([])
  })

  it.runIf(promtool)('are clean for promtool', async () => {
    const { text } = await overSocket(first, '/metrics')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    expect(`${stdout}${stderr}`).toBe('')
    expect(status).toBe(0)
  })

  it('count a death', async () => {
    const third = await cluster.join('n3')
    await cluster.converged()
    await third.kill('SIGKILL')
    await until('the first counts it', async () => {
      const { text } = await overSocket(first, '/metrics')
      return (seriesIn(text, 'shoal_membership_deaths_total') ?? 0) > 0
    })
    const { text } = await overSocket(first, '/metrics')
    expect(seriesIn(text, 'shoal_members{state="dead"}')).toBe(1)
    expect(seriesIn(text, 'shoal_membership_suspicions_total')).toBeGreaterThan(0)
  })
})

describe('the port for scrapers', () => {
  it('serves the same, and readiness ends with the first SIGTERM while it is still alive', async () => {
    const daemon = await cluster.join('n4', {
      before: async joining => {
        await joining.run(['config', 'set', 'metrics-listen', '127.0.0.1:0'])
      }
    })
    await until('it is ready', async () => (await overPort(daemon, '/readyz')).status === 200)
    expect((await overPort(daemon, '/metrics')).text).toContain('shoal_build_info{')
    expect(fs.statSync(path.join(daemon.home, 'metrics-token')).mode & 0o777).toBe(0o600)
    // Nobody hears its goodbye, so that it takes as long as it may.
    await Promise.all([first.kill('SIGSTOP'), second.kill('SIGSTOP')])
    const ended = daemon.kill('SIGTERM')
    const page = await until('it is not ready any more', async () => {
      const seen = await overPort(daemon, '/readyz')
      return seen.status === 503 && seen
    })
    expect(page.text).toBe('waiting for its end: it was told to stop\n')
    expect((await overPort(daemon, '/healthz')).status).toBe(200)
    await Promise.all([first.kill('SIGCONT'), second.kill('SIGCONT')])
    await ended
  })
})
