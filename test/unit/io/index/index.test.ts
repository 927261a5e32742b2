/** The index as the daemon uses it: in a thread, on a disk, in a process that may be killed. */
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Random } from '../../../../src/base/random.ts'
import {
  MATCHES_WAITING_MAX,
  WRITES_WAITING_MAX,
  openIndex,
  type IndexedShare,
  type ShareIndex
} from '../../../../src/io/index/index.ts'
import { SCHEMA_VERSION } from '../../../../src/io/index/schema.ts'
import { IndexThread } from '../../../../src/io/index/thread.ts'
import { tagOf } from './tag.ts'
import type { SearchQuery } from '../../../../src/wire/gnutella/search.ts'

/** Number of kills: enough to hit every step of a put. */
const KILLS = 8
const KILL_WITHIN_MS = 250

let folder: string
let path: string
let index: ShareIndex | undefined
let logged: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-index-'))
  path = join(folder, 'index.db')
  logged = []
})
afterEach(async () => {
  await index?.close()
  index = undefined
  rmSync(folder, { recursive: true })
})

const open = async (onLost?: () => void): Promise<ShareIndex> => {
  index = await openIndex({ path, log: text => logged.push(text), ...(onLost === undefined ? {} : { onLost }) })
  return index
}
const query = (text: string): SearchQuery => ({
  ...{ text, content: undefined },
  filter: { type: undefined, minBytes: undefined, maxBytes: undefined }
})
const share = (n: number, files: number): IndexedShare => ({
  ...{ content: n.toString(16).padStart(64, '0') as IndexedShare['content'], name: `share ${tagOf(n)}`, bytes: n },
  entries: Array.from({ length: files }, (_, i) => ({ path: `folder/file ${i}.txt`, bytes: i }))
})
const codeOf = async (act: Promise<unknown>): Promise<unknown> =>
  act.then(
    () => 'ok',
    (error: unknown) => (error as { code: string }).code
  )

describe('the index in its thread', () => {
  it('keeps shares over a close, and lists them', async () => {
    const first = await open()
    expect(logged).toEqual([`created an empty search index: ${path}`])
    await Promise.all([first.put(share(1, 700)), first.put(share(2, 0)), first.put(share(3, 1))])
    await first.remove(share(3, 1).content)
    await first.close()
    const again = await open()
    expect(logged.length).toBe(1)
    expect(await again.contents()).toEqual([share(1, 0).content, share(2, 0).content])
    expect(await again.match(query('file 699'), 5)).toEqual([
      { content: share(1, 0).content, name: 'share aaab', path: 'folder/file 699.txt', bytes: 699 }
    ])
    expect((await again.match(query('aaac'), 5)).map(({ name }) => name)).toEqual(['share aaac'])
  })

  it('summarizes its words with their prefixes, its content IDs, files and bytes', async () => {
    const open1 = await open()
    expect((await open1.summary()).table.count).toBe(0)
    await open1.put({ ...share(1, 3), name: 'Überraschung' })
    await open1.put(share(2, 0))
    const { table, files, bytes } = await open1.summary()
    expect([files, bytes]).toEqual([4, 3])
    for (const word of ['u', 'uberrasc', 'uberraschung', 'folder', 'txt', share(1, 0).content])
      expect(table.has(word), word).toBe(true)
    for (const word of ['xyz', 'ubung']) expect(table.has(word), word).toBe(false)
    await open1.remove(share(1, 0).content)
    expect((await open1.summary()).table.has('uberrasc')).toBe(false)
  })

  it('answers queries between the parts of a large share, and never blocks this thread', async () => {
    const ours = await open()
    await ours.put(share(1, 10))
    const loop = monitorEventLoopDelay({ resolution: 1 })
    const events: string[] = []
    loop.enable()
    const putting = ours.put(share(2, 20_000)).then(() => events.push('put'))
    for (let i = 0; i < 5; i++) expect((await ours.match(query('aaab'), 5)).length).toBe(1)
    events.push('queries')
    await putting
    loop.disable()
    expect(events).toEqual(['queries', 'put'])
    // Milliseconds on an idle machine; reading everything in this thread takes a large part of a second.
    expect(loop.percentile(50) / 1e6).toBeLessThan(100)
    expect((await ours.match(query('file 19999'), 5)).length).toBe(1)
  })

  it('refuses queries and changes over the limit of waiting ones', async () => {
    const ours = await open()
    const matches = await Promise.all(
      Array.from({ length: MATCHES_WAITING_MAX + 10 }, () => codeOf(ours.match(query('x'), 1)))
    )
    expect(new Set(matches)).toEqual(new Set(['ok', 'busy']))
    const removals = Array.from({ length: WRITES_WAITING_MAX + 1 }, () => codeOf(ours.remove(share(1, 0).content)))
    expect((await Promise.all(removals)).filter(code => code !== 'ok')).toEqual(['busy'])
  })

  it('rejects waiting and later requests when it is closed', async () => {
    const ours = await open()
    const late = [codeOf(ours.put(share(1, 5_000))), codeOf(ours.put(share(2, 1))), codeOf(ours.match(query('x'), 1))]
    await ours.close()
    await ours.close()
    late.push(codeOf(ours.match(query('x'), 1)), codeOf(ours.put(share(3, 1))), codeOf(ours.contents()))
    expect((await Promise.all(late)).filter(code => code !== 'ok')).toEqual(Array(5).fill('interrupted'))
    expect(await (await open()).contents()).toEqual([])
    expect(logged.length).toBe(1)
  })

  it('rolls back a put that was given up in the middle, and accepts the next', async () => {
    const ours = await open()
    const broken = { ...share(1, 600), entries: [...share(1, 600).entries, { path: 'two\0names', bytes: 1 }] }
    expect(await codeOf(ours.put(broken))).toBe('internal')
    expect(await ours.contents()).toEqual([])
    await ours.put(share(2, 1))
    expect(await ours.contents()).toEqual([share(2, 0).content])
  })

  it('rejects at the deadline, and ignores the late answer', async () => {
    const ours = await open()
    await ours.put(share(1, 20_000))
    await ours.close()
    const thread = await IndexThread.start(path)
    expect(await codeOf(thread.ask({ kind: 'summary' }, 1))).toBe('timeout')
    expect(await thread.ask({ kind: 'contents' }, 60_000)).toEqual([share(1, 0).content])
    await thread.close(60_000)
    expect(await codeOf(thread.ask({ kind: 'contents' }, 60_000))).toBe('interrupted')
  })

  it('refuses a file that cannot be opened', async () => {
    expect(await codeOf(openIndex({ path: join(folder, 'no', 'such', 'folder') }))).toBe('internal')
  })
})

describe('a file that cannot be used', () => {
  const filled = async (files = 2_000): Promise<void> => {
    const ours = await open()
    await ours.put(share(1, files))
    await ours.close()
  }
  const isEmptyAndWorks = async (): Promise<void> => {
    const ours = await open()
    expect(await ours.contents()).toEqual([])
    expect(logged.at(-1)).toBe(`created an empty search index: ${path}`)
    await ours.put(share(2, 1))
    expect((await ours.match(query('aaac'), 5)).length).toBe(1)
  }

  it.each([
    ['no database', () => writeFileSync(path, 'x'.repeat(10_000))],
    ['cut short', () => truncateSync(path, statSync(path).size - 8_192)],
    ['empty', () => truncateSync(path, 0)],
    ['a page of noise', () => writeSync(openSync(path, 'r+'), Random.from('noise').bytes(4_096), 0, 4_096, 16_384)]
  ])('%s: is replaced by an empty index', async (_, damage) => {
    await filled()
    damage()
    await isEmptyAndWorks()
  })

  it.each([
    ['another version', `PRAGMA user_version = ${SCHEMA_VERSION + 1}`],
    ['tables of another Unicode version', "UPDATE made SET unicode = '9.0'"]
  ])('%s: is replaced by an empty index', async (_, change) => {
    await filled(1)
    const db = new DatabaseSync(path)
    db.exec(change)
    db.close()
    await isEmptyAndWorks()
  })

  it('that is damaged while open is reported and replaced by an empty index', async () => {
    const lost = Promise.withResolvers<undefined>()
    const ours = await open(() => lost.resolve(undefined))
    await ours.put(share(1, 5_000))
    const db = new DatabaseSync(path, { defensive: false })
    db.exec("UPDATE file_words_data SET block = x'ffffffff' WHERE id > 10")
    db.close()
    expect(await codeOf(ours.match(query('file'), 5))).toBe('integrity')
    await lost.promise
    expect(await ours.contents()).toEqual([])
    await ours.put(share(2, 1))
    expect((await ours.match(query('aaac'), 5)).length).toBe(1)
  })
})

describe('a process that is killed', () => {
  it(`leaves every share complete or absent, ${KILLS} times`, async () => {
    const random = Random.from('kills')
    const files = 900
    for (let kill = 0, next = 0; kill < KILLS; kill++) {
      const acknowledged = await killed([path, `${next}`, `${files}`], random.below(KILL_WITHIN_MS))
      const ours = await open()
      const contents = await ours.contents()
      for (const content of contents) {
        const n = Number.parseInt(content, 16)
        const [last] = await ours.match(query(`${tagOf(n)} file ${files - 1}`), 1)
        expect(last?.path, `share ${n}`).toBe(`${tagOf(n)}/file ${files - 1}.txt`)
      }
      await ours.close()
      index = undefined
      expect(rowsOf(path)).toEqual({ files: contents.length * files, words: contents.length * files })
      const missing = acknowledged.filter(n => n % 3 !== 1 && !contents.includes(share(n, 0).content))
      expect(missing, 'acknowledged, and survives a kill').toEqual([])
      next = Math.max(next - 1, ...acknowledged, ...contents.map(content => Number.parseInt(content, 16))) + 1
    }
  })
})

function rowsOf(file: string): { files: number; words: number } {
  const db = new DatabaseSync(file)
  const count = (table: string): number => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  const rows = { files: count('file'), words: count('file_words') }
  db.close()
  return rows
}

/** Runs the fixture until some time after its first put, kills it, and returns the numbers that it printed. */
async function killed(args: string[], afterMs: number): Promise<number[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'putter.fixture.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let said = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  const signal = await new Promise(resolve => child.once('close', (_, by) => resolve(by)))
  expect(signal).toBe('SIGKILL')
  return said.split('\n').slice(0, -1).map(Number)
}
