import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { expectDefined } from '../../../../src/base/assert.ts'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { unhex } from '../../../../src/base/bytes.ts'
import { Random } from '../../../../src/base/random.ts'
import type { Prepared } from '../../../../src/core/exchange/contract.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { pathOf } from '../../../../src/wire/bittorrent/metainfo.ts'
import { bytesOf, openPlace } from './contents.ts'
import { crashContent } from './crash-content.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-crash-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const made = crashContent()
/** The child prints the synced leaves at every third piece, and then that it finishes. */
const FINISHING_LINE = Math.ceil(made.layout.pieces / 3) + 1

/** The leaves that the child has printed as synced; undefined when it had finished. */
async function runAndKill(synced: Bitfield, afterLines: number, delayMs: number): Promise<Bitfield | undefined> {
  const bits = Buffer.from(synced.encode()).toString('hex')
  const child = spawn('node', [join(import.meta.dirname, 'downloader.fixture.ts'), folder, bits], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    // Some milliseconds after a line, so that the kill happens between two lines.
    if (output.split('\n').length > afterLines) setTimeout(() => child.kill('SIGKILL'), delayMs)
  })
  await new Promise(resolve => child.on('close', resolve))
  const lines = output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
  if (lines.includes('{"ok":true}')) return undefined
  const last = lines.filter(line => line !== 'finishing').at(-1)
  return last === undefined
    ? synced
    : expectDefined(Bitfield.decode(expectDefined(unhex(last), 'bits'), made.layout.leaves), 'bits')
}

/** The leaves that the next start finds. */
async function lookAfter(synced: Bitfield): Promise<Bitfield> {
  const place = await openPlace({ folder })
  const result = await place.store.prepare(made.id, synced)
  const { have } = (result as { value: Prepared }).value
  for (let piece = 0 as PieceIndex; piece < made.layout.pieces; piece = (piece + 1) as PieceIndex) {
    for (let leaf = 0; leaf < made.layout.leavesOf(piece); leaf++) {
      if (!have.has(made.layout.firstLeafOf(piece) + leaf)) continue
      const expected = bytesOf(made, piece, leaf, 1)
      const into = new Uint8Array(expected.length)
      expect(await place.store.read(made.id, { piece, leafStart: leaf, leafCount: 1 }, into)).toEqual({ ok: true })
      expect(into).toEqual(expected)
    }
  }
  place.store.closeAll()
  await place.db.close()
  return have
}

it('a download that is killed repeatedly keeps all synced leaves, claims no wrong one, and completes', async () => {
  const random = Random.from('kills')
  // Lines of the child and milliseconds before each kill: among the small files, in the large one, and while finishing.
  const moments = [1 + random.below(10), FINISHING_LINE - 4, FINISHING_LINE - 2, FINISHING_LINE, FINISHING_LINE]
  let synced = new Bitfield(made.layout.leaves)
  for (const lines of moments) {
    const next = await runAndKill(synced, lines, random.below(8))
    if (next === undefined) break
    const have = await lookAfter(next)
    for (const leaf of next) expect(have.has(leaf)).toBe(true)
    synced = next
  }
  expect(synced.empty).toBe(false)
  await runAndKill(synced, Infinity, 0)
  const top = join(folder, 'target', 'crash')
  made.manifest.files.forEach((file, index) => {
    expect(readFileSync(join(top, ...pathOf(file))).equals(expectDefined(made.files[index], 'a file'))).toBe(true)
  })
  expect(readdirSync(join(top, 'small')).filter(name => name.endsWith('.part'))).toEqual([])
  expect(existsSync(join(top, 'big.bin.part'))).toBe(false)
}, 60_000)
