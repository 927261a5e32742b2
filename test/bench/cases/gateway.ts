/** How soon a film can be watched from anywhere while it is fetched: curl asks the gateway for ranges at random places. */
import fs from 'node:fs'
import { Random } from '../../../src/base/random.ts'
import { makeFile } from '../contents.ts'
import { median } from '../figures.ts'
import { startNode, startSlow, stopAll, type Node } from '../nodes.ts'
import { installed, sleep, type Workshop } from '../workshop.ts'
import type { Answer, Case } from './case.ts'

const FILM_BYTES = 100_000_000
const BEGIN_SHARE = 0.05
const RATES = [1_000_000, 3_000_000] as const
const PART_BYTES = 256 << 10
const JUMPS_PER_RUN = 20
const LIMIT_MS = 60_000
const PROMISED_MS = 2_000

interface Jump {
  start: number
  /** Of the film that was here when it was asked. */
  share: number
  firstByteMs: number
  wholeMs: number
  isEqual: boolean
}

export const gateway: Case = {
  name: 'gateway',
  async run(workshop, { runs, note }) {
    const curl = installed('curl')
    if (curl === undefined) throw new Error('curl is not installed')
    const film = workshop.path('film.mp4')
    makeFile(film, FILM_BYTES)
    const jumps: Jump[] = []
    for (let run = 1; run <= runs; run++) {
      note(`gateway: ${JUMPS_PER_RUN} jumps, run ${run} of ${runs}`)
      jumps.push(...(await watch(workshop, { curl, film, random: Random.from(`run ${run}`) })))
    }
    return answerOf(jumps)
  }
}

interface Watch {
  curl: string
  film: string
  random: Random
}

async function watch(workshop: Workshop, { curl, film, random }: Watch): Promise<Jump[]> {
  const reader = await startNode(workshop, 'reader', { preset: 'local', further: ['--gateway', '127.0.0.1:0'] })
  const { ticket } = await reader.ask('invite', {})
  const holders: Node[] = []
  for (const rate of RATES) holders.push(await startSlow(workshop, `holder-${rate}`, { rate, ticket }))
  let id = ''
  for (const holder of holders) {
    const { shares } = await holder.ask('share', { paths: [film] })
    id = shares[0]?.id ?? ''
  }
  workshop.start(reader.command('get', id, '-o', workshop.path('got')))
  while ((await shareOf(reader, id)) < BEGIN_SHARE) await sleep(20)
  const { gateway: base } = await reader.ask('status', {})
  const jumps: Jump[] = []
  for (let i = 0; i < JUMPS_PER_RUN; i++) {
    const start = random.below(FILM_BYTES - PART_BYTES)
    const share = await shareOf(reader, id)
    jumps.push({ start, share, ...(await fetched(workshop, { curl, url: `${base}${id}/`, film, start })) })
  }
  await stopAll([reader, ...holders])
  return jumps
}

async function shareOf(reader: Node, id: string): Promise<number> {
  const { transfers } = await reader.ask('status', {})
  const row = transfers.find(one => one.id === id)
  return row === undefined ? 0 : row.haveBytes / FILM_BYTES
}

async function fetched(
  workshop: Workshop,
  { curl, url, film, start }: { curl: string; url: string; film: string; start: number }
): Promise<Pick<Jump, 'firstByteMs' | 'wholeMs' | 'isEqual'>> {
  const to = workshop.path('part')
  const range = `${start}-${start + PART_BYTES - 1}`
  const words = [curl, '-s', '-f', '-o', to, '-r', range, '-w', '%{time_starttransfer} %{time_total}\n', url]
  const running = workshop.start(words)
  await running.inTime(LIMIT_MS)
  const [first = 0, total = 0] = running.said.trim().split(' ').map(Number)
  const right = Buffer.alloc(PART_BYTES)
  const handle = fs.openSync(film, 'r')
  fs.readSync(handle, right, 0, PART_BYTES, start)
  fs.closeSync(handle)
  return { firstByteMs: first * 1_000, wholeMs: total * 1_000, isEqual: fs.readFileSync(to).equals(right) }
}

function answerOf(jumps: readonly Jump[]): Answer {
  const row = (name: string, times: readonly number[]): string[] => {
    const sorted = times.toSorted((a, b) => a - b)
    const at95 = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Number.NaN
    return [name, ...[median(sorted), at95, Math.max(...sorted)].map(ms => (ms / 1_000).toFixed(3))]
  }
  const late = jumps.filter(({ firstByteMs }) => firstByteMs > PROMISED_MS).length
  const wrong = jumps.filter(({ isEqual }) => !isEqual).length
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
  const shares = jumps.map(({ share }) => share)
  return {
    title: `ranges of a film of 100 MB while it is fetched from two holders, of ${RATES.join(' and ')} bytes a second`,
    head: ['', 'median s', '95 % s', 'worst s'],
    rows: [
      row(
        'first byte',
        jumps.map(({ firstByteMs }) => firstByteMs)
      ),
      row(
        'all of 256 KiB',
        jumps.map(({ wholeMs }) => wholeMs)
      )
    ],
    notes: [
      `${jumps.length} jumps while ${percent(Math.min(...shares))} to ${percent(Math.max(...shares))} of it was here`,
      `${late} first bytes after more than ${PROMISED_MS / 1_000} s; ${wrong} ranges with other bytes`
    ],
    data: jumps
  }
}
