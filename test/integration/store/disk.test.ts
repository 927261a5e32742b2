/** A full disk and a read-only folder. Only root can mount a small disk and switch to another user. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectDefined } from '../../../src/base/assert.ts'
import type { Prepared } from '../../../src/core/exchange/contract.ts'
import { StateDb } from '../../../src/io/state/db.ts'
import type { PieceIndex } from '../../../src/wire/bittorrent/layout.ts'
import {
  bytesOf,
  leafHashesOf,
  makeContent,
  openPlace,
  randomBytes,
  startDownload
} from '../../unit/io/store/contents.ts'
import { isRoot, nobody, NOBODY } from '../../fixtures/other-user.ts'

const P = (piece: number): PieceIndex => piece as PieceIndex

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-full-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

async function onSmallDisk(path: string, act: () => Promise<void>): Promise<void> {
  mkdirSync(path, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path])
  try {
    await act()
  } finally {
    execFileSync('umount', ['-l', path])
  }
}

describe.skipIf(!isRoot)('on a full disk', () => {
  it('a download stops with a reason, keeps its leaves, and continues when there is room', async () => {
    const made = makeContent('big.bin', { 'big.bin': { bytes: randomBytes('big', 6 << 20) } }, 256 << 10)
    const target = join(folder, 'target')
    await onSmallDisk(target, async () => {
      const filler = join(target, 'filler')
      writeFileSync(filler, new Uint8Array(5 << 20))
      const place = await openPlace({ folder })
      await startDownload(place, made)
      expect((await place.store.prepare(made.id, undefined)).ok).toBe(true)
      const { store } = place
      const write = async (piece: number): Promise<unknown> => {
        await store.keepLeafHashes(made.id, P(piece), leafHashesOf(made, piece))
        return store.write(made.id, { piece: P(piece), leafStart: 0 }, bytesOf(made, piece))
      }
      let full = 0
      while ((await write(full)) !== undefined && store.problem(made.id) === undefined) full++
      expect(full).toBeGreaterThan(5)
      expect(full).toBeLessThan(made.layout.pieces)
      expect(store.problem(made.id)).toMatchObject({ code: 'disk-full' })
      expect(await store.sync(made.id)).toEqual({ ok: true })
      await place.restart()
      const result = (await place.store.prepare(made.id, undefined)) as { value: Prepared }
      expect(result.value.have.count).toBeGreaterThanOrEqual(full * 16)
      rmSync(filler)
      for (let piece = full; piece < made.layout.pieces; piece++) {
        await place.store.keepLeafHashes(made.id, P(piece), leafHashesOf(made, piece))
        expect(await place.store.write(made.id, { piece: P(piece), leafStart: 0 }, bytesOf(made, piece))).toEqual({
          ok: true
        })
      }
      expect(await place.store.finish(made.id)).toEqual({ ok: true })
      expect(readFileSync(join(target, 'big.bin')).equals(expectDefined(made.files[0], 'a file'))).toBe(true)
      place.store.closeAll()
      await place.db.close()
    })
  })

  it('the state database refuses writes, keeps its entries, and continues when there is room', async () => {
    const home = join(folder, 'home')
    await onSmallDisk(home, async () => {
      const db = StateDb.open(join(home, 'state.db'))
      expect(await db.put('first', Uint8Array.of(1))).toEqual({ ok: true })
      writeFileSync(join(home, 'filler'), new Uint8Array(7 << 20))
      expect(await db.put('big', new Uint8Array(2 << 20))).toEqual({ ok: false, reason: 'disk-full' })
      expect(db.get('first')).toEqual(Uint8Array.of(1))
      rmSync(join(home, 'filler'))
      expect(await db.put('big', new Uint8Array(2 << 20))).toEqual({ ok: true })
      await db.close()
      const again = StateDb.open(join(home, 'state.db'))
      expect(again.get('big')?.length).toBe(2 << 20)
      await again.close()
    })
  })
})

describe.skipIf(!isRoot)('as a user without write permission', () => {
  const other = nobody()

  it('a download is refused before the first block, and the error names the folder', async () => {
    const [home, target] = [join(folder, 'home'), join(folder, 'target')]
    mkdirSync(home)
    mkdirSync(target, { mode: 0o755 })
    chmodSync(folder, 0o755)
    chownSync(home, NOBODY, NOBODY)
    const fixture = join(other.root, 'test/integration/store/unwritable.fixture.ts')
    const output = execFileSync(other.node, [fixture, folder], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' })
    expect(JSON.parse(output)).toEqual({
      ...{ ok: false, reason: 'disk', code: 'permission' },
      message: expect.stringContaining(target) as string
    })
  })
})
