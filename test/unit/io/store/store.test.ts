import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { expectDefined } from '../../../../src/base/assert.ts'
import type { Prepared } from '../../../../src/core/exchange/contract.ts'
import { newIdentity, publisherOf } from '../../../../src/io/identity.ts'
import { LEAF_BYTES, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import {
  bytesOf,
  layOut,
  leafHashesOf,
  lineageOf,
  makeContent,
  openPlace,
  randomBytes,
  startDownload,
  writePieces,
  type Made,
  type Place
} from './contents.ts'

const PIECE = 64 << 10
const P = (piece: number): PieceIndex => piece as PieceIndex

let place: Place
beforeEach(async () => {
  place = await openPlace()
})
afterEach(async () => {
  await place.remove()
})

async function prepared(made: Made, synced?: Bitfield): Promise<Prepared> {
  const result = await place.store.prepare(made.id, synced)
  if (!result.ok) throw new Error(`not prepared: ${result.reason}: ${String(place.store.problem(made.id)?.message)}`)
  return result.value as Prepared
}

async function complete(made: Made): Promise<void> {
  const { have, wanted, layout } = await prepared(made)
  const missing = [...wanted].filter(piece => !have.has(layout.firstLeafOf(P(piece))))
  await writePieces(place, made, missing)
  expect(await place.store.sync(made.id)).toEqual({ ok: true })
  expect(await place.store.finish(made.id)).toEqual({ ok: true })
  place.store.close(made.id)
}

function folderContent(): Made {
  return makeContent(
    'folder',
    {
      'large.bin': { bytes: randomBytes('large', 5 * PIECE + 100) },
      'run.sh': { bytes: randomBytes('run', 10), executable: true },
      'sub/empty.txt': { bytes: new Uint8Array(0) },
      'sub/中文.txt': { bytes: randomBytes('cn', 3 * LEAF_BYTES + 5) },
      'void/': null
    },
    PIECE
  )
}

/** A newer version of the content: its first file has another first byte. */
function changedContent(old: Made): Made {
  const bytes = Uint8Array.from(expectDefined(old.files[0], 'a file'))
  bytes[0] = ~(bytes[0] ?? 0)
  const run = { bytes: expectDefined(old.files[1], 'a file'), executable: true }
  return makeContent('folder', { 'large.bin': { bytes }, 'run.sh': run }, PIECE)
}

const publisher = publisherOf(newIdentity())
const stranger = publisherOf(newIdentity())

function forged(claim: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(claim)
  bytes[bytes.length - 1] = ~(bytes.at(-1) ?? 0)
  return bytes
}

const top = (...names: string[]): string => join(place.target, 'folder', ...names)

describe('a download', () => {
  it('restores bytes, empty files, empty folders and the executable bit', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await complete(made)
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(made.files[0])
    expect(readFileSync(top('sub/中文.txt')).length).toBe(3 * LEAF_BYTES + 5)
    expect(statSync(top('sub/empty.txt')).size).toBe(0)
    expect(statSync(top('void')).isDirectory()).toBe(true)
    expect(statSync(top('run.sh')).mode & 0o100).toBe(0o100)
    expect(statSync(top('large.bin')).mode & 0o100).toBe(0)
    expect(readdirSync(top()).sort()).toEqual(['large.bin', 'run.sh', 'sub', 'void'])
  })

  it('of a single file is placed directly in the target', async () => {
    const made = makeContent('lone.bin', { 'lone.bin': { bytes: randomBytes('lone', 100_000) } })
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0])
    expect(existsSync(join(place.target, 'lone.bin.part'))).toBe(true)
    await complete(made)
    expect(new Uint8Array(readFileSync(join(place.target, 'lone.bin')))).toEqual(made.files[0])
  })

  it('supports names of 255 bytes, and a file named like an unfinished one', async () => {
    const long = '長'.repeat(85)
    const made = makeContent('folder', {
      a: { bytes: randomBytes('a', 100) },
      'a.part': { bytes: randomBytes('part', 200) },
      [long]: { bytes: randomBytes('long', 300) }
    })
    await startDownload(place, made)
    await complete(made)
    expect(readdirSync(top()).sort()).toEqual(['a', 'a.part', long].sort())
    expect(statSync(top('a.part')).size).toBe(200)
  })

  it('that is finished keeps none of its files open', async () => {
    const made = folderContent()
    await startDownload(place, made)
    const { wanted } = await prepared(made)
    await writePieces(place, made, wanted)
    const openBelow = (): number =>
      readdirSync('/proc/self/fd').filter(fd => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(place.target)
        } catch {
          return false
        }
      }).length
    expect(openBelow()).toBeGreaterThan(0)
    expect(await place.store.finish(made.id)).toEqual({ ok: true })
    // Let a close that started earlier complete.
    await (await open(place.folder)).close()
    expect(openBelow()).toBe(0)
    const into = new Uint8Array(LEAF_BYTES)
    expect(await place.store.read(made.id, { piece: P(0), leafStart: 0, leafCount: 1 }, into)).toEqual({ ok: true })
  })

  it('wants and creates only the files that the globs match', async () => {
    const made = folderContent()
    await startDownload(place, made, { include: ['*.sh', 'sub/**'] })
    const { wanted, layout } = await prepared(made)
    expect([...wanted].map(piece => layout.fileOf(P(piece)))).toEqual([1, 3])
    await complete(made)
    expect(readdirSync(top()).sort()).toEqual(['run.sh', 'sub'])
  })

  it('is refused when the globs match no file', async () => {
    const made = folderContent()
    await startDownload(place, made, { include: ['*.jpg'] })
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    expect(place.store.problem(made.id)?.message).toContain('no file')
  })

  it('uses an existing file with the right bytes in place', async () => {
    const made = folderContent()
    await layOut(made, place.target)
    const inode = statSync(top('large.bin')).ino
    await startDownload(place, made)
    const { have } = await prepared(made)
    expect(have.full).toBe(true)
    expect(await place.store.finish(made.id)).toEqual({ ok: true })
    expect(statSync(top('large.bin')).ino).toBe(inode)
    expect(statSync(top('sub/empty.txt')).size).toBe(0)
  })

  it('refuses other bytes under a name of the content, names the file, and changes nothing', async () => {
    const made = folderContent()
    mkdirSync(top(), { recursive: true })
    writeFileSync(top('run.sh'), 'mine')
    await startDownload(place, made)
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    expect(place.store.problem(made.id)?.message).toContain(top('run.sh'))
    expect(readFileSync(top('run.sh'), 'utf8')).toBe('mine')
  })

  it('refuses a file that appears under a final name before the end', async () => {
    const made = folderContent()
    await startDownload(place, made)
    const { wanted } = await prepared(made)
    await writePieces(place, made, wanted)
    writeFileSync(top('run.sh'), 'mine')
    expect(await place.store.finish(made.id)).toEqual({ ok: false, reason: 'conflict' })
    expect(readFileSync(top('run.sh'), 'utf8')).toBe('mine')
    rmSync(top('run.sh'))
    expect(await place.store.finish(made.id)).toEqual({ ok: true })
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(made.files[0])
  })

  it('replaces other bytes with overwrite, and keeps the right pieces', async () => {
    const made = folderContent()
    await layOut(made, place.target)
    const changed = Buffer.from(expectDefined(made.files[0], 'a file'))
    changed[2 * PIECE + 7] = ~(changed[2 * PIECE + 7] ?? 0)
    writeFileSync(top('large.bin'), changed)
    await startDownload(place, made, { overwrite: true })
    const { have, layout } = await prepared(made)
    const missing = Array.from({ length: layout.leaves }, (_, leaf) => leaf).filter(leaf => !have.has(leaf))
    expect(missing).toEqual([8, 9, 10, 11])
    expect(readFileSync(top('large.bin')).equals(changed)).toBe(true)
    await writePieces(place, made, [2])
    expect(await place.store.finish(made.id)).toEqual({ ok: true })
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(made.files[0])
  })

  it('of a newer version to the same target fetches only what differs, and replaces older files', async () => {
    const old = folderContent()
    await startDownload(place, old, { lineage: lineageOf(publisher, old) })
    await complete(old)
    const newer = changedContent(old)
    await startDownload(place, newer, { lineage: lineageOf(publisher, newer, [old]) })
    const { have, layout } = await prepared(newer)
    expect(have.count).toBe(layout.leaves - 4)
    await writePieces(place, newer, [0])
    expect(await place.store.finish(newer.id)).toEqual({ ok: true })
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(newer.files[0])
  })

  it.each([
    ['without a claim', () => undefined],
    ['whose claim does not name the other', (newer: Made) => lineageOf(publisher, newer)],
    ['of another publisher', (newer: Made, old: Made) => lineageOf(stranger, newer, [old])],
    ['with a forged claim', (newer: Made, old: Made) => forged(lineageOf(publisher, newer, [old]))]
  ])('of another content %s replaces nothing', async (_, claim) => {
    const old = folderContent()
    await startDownload(place, old, { lineage: lineageOf(publisher, old) })
    await complete(old)
    const newer = changedContent(old)
    const lineage = claim(newer, old)
    await startDownload(place, newer, lineage === undefined ? {} : { lineage })
    expect(await place.store.prepare(newer.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    expect(place.store.problem(newer.id)?.hint).toContain('--overwrite')
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(old.files[0])
  })

  it('does not replace a file of an unrelated content that appears before the end', async () => {
    const old = folderContent()
    const newer = changedContent(old)
    await startDownload(place, newer, { lineage: lineageOf(publisher, newer) })
    const { wanted } = await prepared(newer)
    await writePieces(place, newer, wanted)
    await layOut(old, place.target)
    expect(await place.store.finish(newer.id)).toEqual({ ok: false, reason: 'conflict' })
    expect(new Uint8Array(readFileSync(top('large.bin')))).toEqual(old.files[0])
  })

  it('of a newer version does not replace files that were changed since', async () => {
    const old = folderContent()
    await startDownload(place, old, { lineage: lineageOf(publisher, old) })
    await complete(old)
    writeFileSync(top('large.bin'), 'my own')
    const newer = changedContent(old)
    await startDownload(place, newer, { lineage: lineageOf(publisher, newer, [old]) })
    expect(await place.store.prepare(newer.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    expect(readFileSync(top('large.bin'), 'utf8')).toBe('my own')
  })
})

describe('a target', () => {
  it('is never left through a symbolic link: for the folder, a folder in it, or a file', async () => {
    const made = folderContent()
    const outside = join(place.folder, 'outside')
    mkdirSync(join(outside, 'sub'), { recursive: true })
    writeFileSync(join(outside, 'file'), 'untouched')
    const links: Array<[string, string]> = [
      [join(place.target, 'folder'), outside],
      [top('sub'), join(outside, 'sub')],
      [top('run.sh'), join(outside, 'file')],
      [top('run.sh.part'), join(outside, 'file')]
    ]
    for (const [link, to] of links) {
      rmSync(place.target, { recursive: true, force: true })
      mkdirSync(join(link, '..'), { recursive: true })
      symlinkSync(to, link)
      await place.store.remove(made.id, { deleteFiles: false })
      await startDownload(place, made, { overwrite: true })
      const first = await place.store.prepare(made.id, undefined)
      expect(first).toEqual({ ok: false, reason: 'conflict' })
      expect(lstatSync(link).isSymbolicLink()).toBe(true)
    }
    expect(readdirSync(outside)).toEqual(['file', 'sub'])
    expect(readdirSync(join(outside, 'sub'))).toEqual([])
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('untouched')
  })

  it('is not left through a link that is created while blocks arrive', async () => {
    const made = folderContent()
    const outside = join(place.folder, 'outside')
    mkdirSync(outside)
    await startDownload(place, made)
    await prepared(made)
    mkdirSync(top(), { recursive: true })
    symlinkSync(outside, top('sub'))
    const piece = P(made.layout.pieces - 1)
    expect(await place.store.write(made.id, { piece, leafStart: 0 }, bytesOf(made, piece))).toEqual({
      ok: false,
      reason: 'disk'
    })
    expect(place.store.problem(made.id)?.message).toContain('symbolic link')
    expect(readdirSync(outside)).toEqual([])
  })

  it('is not left through a link in place of an unfinished file', async () => {
    const made = folderContent()
    const outside = join(place.folder, 'outside')
    writeFileSync(outside, 'untouched')
    await startDownload(place, made)
    await prepared(made)
    mkdirSync(top(), { recursive: true })
    symlinkSync(outside, top('run.sh.part'))
    const piece = P(6)
    expect(await place.store.write(made.id, { piece, leafStart: 0 }, bytesOf(made, piece))).toEqual({
      ok: false,
      reason: 'disk'
    })
    expect(readFileSync(outside, 'utf8')).toBe('untouched')
  })

  it('to which another content is being fetched is refused', async () => {
    const made = folderContent()
    const other = makeContent('folder', { 'other.sh': { bytes: randomBytes('new', 20) } }, PIECE)
    await startDownload(place, made)
    await prepared(made)
    await startDownload(place, other)
    expect(await place.store.prepare(other.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    await complete(made)
    expect(await place.store.prepare(other.id, undefined)).toMatchObject({ ok: true })
  })

  it('may be reached through a link of the user', async () => {
    const made = folderContent()
    mkdirSync(join(place.folder, 'real'))
    symlinkSync(join(place.folder, 'real'), place.target)
    await startDownload(place, made)
    await complete(made)
    expect(existsSync(join(place.folder, 'real/folder/run.sh'))).toBe(true)
  })

  it('with a folder in place of a file, or a file in place of a folder, is a conflict even with overwrite', async () => {
    const made = folderContent()
    mkdirSync(top('run.sh'), { recursive: true })
    await startDownload(place, made, { overwrite: true })
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    rmSync(top('run.sh'), { recursive: true })
    writeFileSync(top('sub'), 'a file')
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'conflict' })
    rmSync(top('sub'))
    await complete(made)
  })

  it('that cannot be created is a result with a reason', async () => {
    const made = folderContent()
    writeFileSync(place.target, 'a file')
    await startDownload(place, made)
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'disk' })
    expect(place.store.problem(made.id)).toBeDefined()
  })
})

describe('after a restart', () => {
  const leaves = (made: Made, ...which: number[]): Bitfield => {
    const bits = new Bitfield(made.layout.leaves)
    for (const leaf of which) bits.add(leaf)
    return bits
  }

  it('synced leaves are trusted, others are checked against their leaf hashes', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0, 1])
    // One leaf that was written, and one whose bytes the disk lost.
    await place.store.keepLeafHashes(made.id, P(2), leafHashesOf(made, 2))
    await place.store.write(made.id, { piece: P(2), leafStart: 1 }, bytesOf(made, 2, 1, 1))
    await place.store.write(made.id, { piece: P(2), leafStart: 2 }, new Uint8Array(LEAF_BYTES))
    await place.restart()
    const { have } = await prepared(made, leaves(made, 0, 1, 2, 3))
    expect([...have]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9])
  })

  it('synced leaves of a missing file are not claimed', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0])
    await place.restart()
    rmSync(top('large.bin.part'))
    expect((await prepared(made, leaves(made, 0, 1, 2, 3))).have.empty).toBe(true)
  })

  it('synced leaves behind the end of a truncated file are not claimed', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0])
    await place.restart()
    truncateSync(top('large.bin.part'), LEAF_BYTES + 5)
    expect([...(await prepared(made, leaves(made, 0, 1, 2, 3))).have]).toEqual([0])
  })

  it('stored leaf hashes are verified, and damaged ones count as missing', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0, 1])
    await place.restart()
    const path = join(place.home, 'leaves', made.id)
    const hashes = readFileSync(path)
    hashes[0] = ~(hashes[0] ?? 0)
    writeFileSync(path, hashes)
    await prepared(made, leaves(made, 0, 1, 2, 3, 4, 5, 6, 7))
    expect(await place.store.leafHashes(made.id, P(0))).toBeUndefined()
    expect(new Uint8Array(expectDefined(await place.store.leafHashes(made.id, P(1)), 'kept'))).toEqual(
      new Uint8Array(leafHashesOf(made, 1))
    )
    expect(await place.store.leafHashesToSend(made.id, P(0))).toBeDefined()
  })

  it('a finish that was cut short runs again', async () => {
    const made = folderContent()
    await startDownload(place, made)
    const { wanted } = await prepared(made)
    await writePieces(place, made, wanted)
    await place.store.sync(made.id)
    await place.restart()
    renameSync(top('large.bin.part'), top('large.bin'))
    const { have } = await prepared(made, new Bitfield(made.layout.leaves).fill())
    expect(have.full).toBe(true)
    expect(await place.store.finish(made.id)).toEqual({ ok: true })
    expect(readdirSync(top()).sort()).toEqual(['large.bin', 'run.sh', 'sub', 'void'])
  })

  it('a complete content with matching size, mtime and inode is trusted and served', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await complete(made)
    await place.restart()
    const into = new Uint8Array(LEAF_BYTES)
    expect(await place.store.read(made.id, { piece: P(1), leafStart: 2, leafCount: 1 }, into)).toEqual({ ok: true })
    expect(into).toEqual(bytesOf(made, 1, 2, 1))
    expect((await prepared(made, undefined)).have.full).toBe(true)
  })

  it('an unfinished file that was replaced meanwhile is never finished as ours', async () => {
    const made = folderContent()
    await startDownload(place, made)
    const { wanted } = await prepared(made)
    await writePieces(place, made, wanted)
    await place.store.sync(made.id)
    renameSync(top('run.sh.part'), top('other'))
    writeFileSync(top('run.sh.part'), new Uint8Array(10))
    expect((await place.store.finish(made.id)).ok).toBe(false)
    expect(existsSync(top('run.sh'))).toBe(false)
  })
})

describe('a share', () => {
  async function shared(made: Made): Promise<string> {
    const path = await layOut(made, place.folder)
    const files = made.manifest.files.map(file => {
      const names = made.manifest.singleFile ? [] : pathNames(made, made.manifest.files.indexOf(file))
      const stat = statSync(join(path, ...names), { bigint: true })
      return { stamp: { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino } }
    })
    await place.store.adopt(path, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
    return path
  }
  const pathNames = (made: Made, file: number): string[] =>
    [['large.bin'], ['run.sh'], ['sub', 'empty.txt'], ['sub', '中文.txt']][file] ?? [made.manifest.name]

  it('is read, with leaf hashes computed from its bytes when none are stored', async () => {
    const made = folderContent()
    await shared(made)
    const into = new Uint8Array(4 * LEAF_BYTES)
    expect(await place.store.read(made.id, { piece: P(1), leafStart: 0, leafCount: 4 }, into)).toEqual({ ok: true })
    expect(into).toEqual(bytesOf(made, 1))
    expect(new Uint8Array(expectDefined(await place.store.leafHashesToSend(made.id, P(5)), 'made'))).toEqual(
      new Uint8Array(leafHashesOf(made, 5))
    )
  })

  it('of a single file is read in place', async () => {
    const made = makeContent('lone.bin', { 'lone.bin': { bytes: randomBytes('lone', 100_000) } })
    await shared(made)
    const into = new Uint8Array(LEAF_BYTES)
    expect(await place.store.read(made.id, { piece: P(1), leafStart: 0, leafCount: 1 }, into)).toEqual({ ok: true })
    expect(into).toEqual(bytesOf(made, 1, 0, 1))
  })

  it('is served leaf by leaf when a file has another mtime or inode but the same bytes', async () => {
    const made = folderContent()
    const path = await shared(made)
    const into = new Uint8Array(LEAF_BYTES)
    const read = (piece: number): Promise<unknown> =>
      place.store.read(made.id, { piece: P(piece), leafStart: 0, leafCount: 1 }, into)
    const large = join(path, 'large.bin')
    utimesSync(large, 1, 1)
    expect(await read(0)).toEqual({ ok: true })
    expect(into).toEqual(bytesOf(made, 0, 0, 1))
    copyFileSync(large, `${large}.copy`)
    renameSync(`${large}.copy`, large)
    place.store.close(made.id)
    expect(await read(1)).toEqual({ ok: true })
    expect(into).toEqual(bytesOf(made, 1, 0, 1))
  })

  it('with one changed byte is served except for the leaf with that byte', async () => {
    const made = folderContent()
    const path = await shared(made)
    const fd = openSync(join(path, 'large.bin'), 'r+')
    writeSync(fd, Buffer.of(expectDefined(made.files[0], 'a file')[PIECE + LEAF_BYTES]! ^ 1), 0, 1, PIECE + LEAF_BYTES)
    closeSync(fd)
    const read = (piece: number, leafStart: number): Promise<unknown> =>
      place.store.read(made.id, { piece: P(piece), leafStart, leafCount: 1 }, new Uint8Array(LEAF_BYTES))
    expect(await read(0, 0)).toEqual({ ok: true })
    expect(await read(1, 1)).toEqual({ ok: false, reason: 'changed' })
    // This piece has no stored leaf hashes, and they cannot be computed from wrong bytes.
    expect(await read(1, 0)).toEqual({ ok: false, reason: 'changed' })
    expect(await read(2, 3)).toEqual({ ok: true })
  })

  it('is not served once a file has another size, was replaced, or is missing', async () => {
    const made = folderContent()
    const path = await shared(made)
    const into = new Uint8Array(LEAF_BYTES)
    const read = (): Promise<unknown> => place.store.read(made.id, { piece: P(0), leafStart: 0, leafCount: 1 }, into)
    expect(await read()).toEqual({ ok: true })
    const large = join(path, 'large.bin')
    appendFileSync(large, 'x')
    expect(await read()).toEqual({ ok: false, reason: 'changed' })
    expect(place.store.problem(made.id)?.hint).toContain('share')
    rmSync(large)
    expect(await read()).toEqual({ ok: false, reason: 'changed' })
    symlinkSync(join(path, 'run.sh'), large)
    expect(await read()).toEqual({ ok: false, reason: 'changed' })
    const tail = { piece: P(6), leafStart: 0, leafCount: 1 }
    expect(await place.store.read(made.id, tail, new Uint8Array(10))).toEqual({ ok: true })
  })

  it('is not read beyond its end', async () => {
    const made = folderContent()
    await shared(made)
    const into = new Uint8Array(LEAF_BYTES)
    for (const range of [
      { piece: P(999), leafStart: 0, leafCount: 1 },
      { piece: P(0), leafStart: 4, leafCount: 1 },
      { piece: P(0), leafStart: 0, leafCount: 0 }
    ]) {
      expect(await place.store.read(made.id, range, into)).toEqual({ ok: false, reason: 'changed' })
    }
  })
})

describe('an unlisted content', () => {
  it('stays unlisted over a restart, until it is listed or removed', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await place.store.setUnlisted(made.id, true)
    await place.restart()
    expect([place.store.isUnlisted(made.id), place.store.holding(made.id)?.serve]).toEqual([true, true])
    await place.store.setUnlisted(made.id, false)
    await place.restart()
    expect(place.store.isUnlisted(made.id)).toBe(false)
    await place.store.setUnlisted(made.id, true)
    await place.store.remove(made.id, { deleteFiles: false })
    await startDownload(place, made)
    expect(place.store.isUnlisted(made.id)).toBe(false)
  })

  it('is reported to watchers when it changes, as is every content that is added, completed or removed', async () => {
    const made = folderContent()
    const seen: Array<[boolean, boolean | undefined]> = []
    const unwatch = place.store.watch(content => {
      seen.push([place.store.isUnlisted(content), place.store.holding(content)?.complete])
    })
    await startDownload(place, made)
    await complete(made)
    await place.store.setUnlisted(made.id, true)
    await place.store.remove(made.id, { deleteFiles: false })
    unwatch()
    await startDownload(place, made)
    expect(seen).toEqual([
      [false, false],
      [false, false],
      [false, true],
      [true, true],
      [true, undefined]
    ])
  })
})

describe('removing', () => {
  it('keeps the files, and deletes the records in the home', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await complete(made)
    await place.store.remove(made.id, { deleteFiles: false })
    expect(existsSync(top('large.bin'))).toBe(true)
    expect(place.store.holding(made.id)).toBeUndefined()
    expect(readdirSync(join(place.home, 'manifests'))).toEqual([])
    expect(readdirSync(join(place.home, 'leaves'))).toEqual([])
  })

  it('deletes files that match their record, and no changed file', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await complete(made)
    writeFileSync(top('run.sh'), 'mine now')
    writeFileSync(top('sub', 'my own'), 'mine')
    expect(await place.store.remove(made.id, { deleteFiles: true })).toBe(made.manifest.files.length - 1)
    expect(readdirSync(top()).sort()).toEqual(['run.sh', 'sub'])
    expect(readdirSync(top('sub'))).toEqual(['my own'])
  })

  it('keeps files that a newer version also has', async () => {
    const old = folderContent()
    await startDownload(place, old)
    await complete(old)
    const newer = makeContent(
      'folder',
      { 'run.sh': { bytes: expectDefined(old.files[1], 'a file'), executable: true } },
      PIECE
    )
    await startDownload(place, newer)
    await complete(newer)
    await place.store.remove(old.id, { deleteFiles: true })
    expect(readdirSync(top())).toEqual(['run.sh'])
  })

  it('deletes unfinished files', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await prepared(made)
    await writePieces(place, made, [0, made.layout.pieces - 1])
    expect(await place.store.remove(made.id, { deleteFiles: true })).toBe(2)
    expect(readdirSync(place.target)).toEqual([])
  })

  /** A removal starts 0 to TURNS - 1 turns of the event loop after each act. */
  const TURNS = 12
  const acts: Array<[string, (made: Made) => Promise<unknown>]> = [
    ['prepared', made => place.store.prepare(made.id, undefined)],
    ['written', made => writePieces(place, made, [0, 1]).catch(() => undefined)]
  ]
  it.each(acts)('leaves nothing of a content that is being %s', async (_, act) => {
    for (let turns = 0; turns < TURNS; turns++) {
      const made = folderContent()
      await startDownload(place, made)
      const { wanted } = await prepared(made)
      await writePieces(place, made, wanted)
      const acting = act(made)
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
      await place.store.remove(made.id, { deleteFiles: true })
      await acting
      expect([readdirSync(place.target), place.store.holding(made.id)], `${turns} turns`).toEqual([[], undefined])
    }
  })

  it('leaves nothing of a content whose files are getting their final names', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `${i}.txt`)
    const made = makeContent('folder', Object.fromEntries(names.map(name => [name, { bytes: new Uint8Array(0) }])))
    await startDownload(place, made)
    await prepared(made)
    const finishing = place.store.finish(made.id)
    while (!existsSync(top('0.txt'))) await new Promise(setImmediate)
    await place.store.remove(made.id, { deleteFiles: true })
    await finishing
    expect([readdirSync(place.target), place.store.holding(made.id)]).toEqual([[], undefined])
  })

  it('makes a new download of the same content wait, and start from the beginning', async () => {
    const made = folderContent()
    await startDownload(place, made)
    await complete(made)
    const removed = place.store.remove(made.id, { deleteFiles: true })
    await startDownload(place, made)
    await removed
    expect(place.store.holding(made.id)?.complete).toBe(false)
    await complete(made)
    expect(existsSync(top('large.bin'))).toBe(true)
  })
})

describe('a manifest', () => {
  it('that arrives from two holders at once is stored once', async () => {
    const made = makeContent('top', { a: { bytes: randomBytes('twice', 1_000) } })
    const both = Array.from({ length: 8 }, () => place.store.putManifest(made.id, made.info, made.layers))
    await Promise.all(both)
    expect(readdirSync(join(place.home, 'manifests'))).toEqual([made.id])
  })

  it('of another content, or with wrong layers, is refused', async () => {
    const made = folderContent()
    const other = makeContent('other', { a: { bytes: randomBytes('other', 10) } })
    await expect(place.store.putManifest(other.id, made.info, made.layers)).rejects.toMatchObject({ code: 'integrity' })
    const wrong = Uint8Array.from(made.layers)
    wrong[40] = ~(wrong[40] ?? 0)
    await expect(place.store.putManifest(made.id, made.info, wrong)).rejects.toMatchObject({ code: 'integrity' })
    await expect(place.store.putManifest(made.id, made.info, made.layers.subarray(32))).rejects.toMatchObject({
      code: 'integrity'
    })
  })

  it('that is damaged on disk counts as missing', async () => {
    const made = folderContent()
    await place.store.putManifest(made.id, made.info, made.layers)
    await place.restart()
    expect(await place.store.manifest(made.id)).toBeDefined()
    const path = join(place.home, 'manifests', made.id)
    const bytes = readFileSync(path)
    bytes[30] = ~(bytes[30] ?? 0)
    writeFileSync(path, bytes)
    await place.restart()
    expect(await place.store.manifest(made.id)).toBeUndefined()
    expect(await place.store.prepare(made.id, undefined)).toEqual({ ok: false, reason: 'no-manifest' })
  })
})
