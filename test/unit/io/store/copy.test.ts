import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CopyRequest } from '../../../../src/io/store/store.ts'
import {
  layOut,
  makeContent,
  openPlace,
  randomBytes,
  startDownload,
  writePieces,
  type Made,
  type Place
} from './contents.ts'

const PIECE = 64 << 10
let place: Place
let other: string
beforeEach(async () => {
  place = await openPlace()
  other = path.join(place.folder, 'deep', 'other')
})
afterEach(async () => {
  await place.remove()
})

const made = makeContent(
  'album',
  {
    'big.bin': { bytes: randomBytes('big', 3 * PIECE + 100) },
    'sub/run.sh': { bytes: randomBytes('run', 1_000), executable: true },
    empty: { bytes: new Uint8Array(0) },
    'nothing/': null
  },
  PIECE
)

async function complete(include: string[] = []): Promise<void> {
  await startDownload(place, made, { include })
  const prepared = await place.store.prepare(made.id, undefined)
  if (!prepared.ok) throw new Error(prepared.reason)
  const { wanted } = prepared.value as { wanted: Iterable<number> }
  await writePieces(place, made, wanted)
  expect(await place.store.sync(made.id)).toEqual({ ok: true })
  expect(await place.store.finish(made.id)).toEqual({ ok: true })
  place.store.close(made.id)
}

const copy = (options: Partial<CopyRequest> = {}): ReturnType<Place['store']['copyTo']> =>
  place.store.copyTo(other, {
    ...{ content: made.id, include: [], overwrite: false, rename: false, signal: new AbortController().signal },
    ...options
  })

/** Every file and folder below the copy, with bytes and mode. */
function tree(folder: string): Record<string, string> {
  if (!fs.existsSync(folder)) return {}
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  return Object.fromEntries(
    names.map(name => {
      const stat = fs.statSync(path.join(folder, name))
      const isExecutable = stat.isFile() && (stat.mode & 0o100) !== 0
      const bytes = stat.isFile() ? fs.readFileSync(path.join(folder, name)).toString('base64') : 'folder'
      return [name, `${bytes}${isExecutable ? ' executable' : ''}`]
    })
  )
}

const top = (folder: string): string => path.join(folder, 'album')

describe('a copy of a complete content', () => {
  it('has the same files and folders, and the content keeps its place', async () => {
    await complete()
    const before = place.store.holding(made.id)
    const seen: number[] = []
    expect(await copy({ onProgress: bytes => seen.push(bytes) })).toEqual({
      path: top(other),
      bytes: 3 * PIECE + 1_100,
      files: 3
    })
    expect(tree(other)).toEqual(tree(place.target))
    expect(seen.at(-1)).toBe(3 * PIECE + 1_100)
    expect(place.store.holding(made.id)).toEqual(before)
    expect(place.store.holdings()).toHaveLength(1)
  })

  it('of a shared folder has its name', async () => {
    const shared = await layOut(made, path.join(place.folder, 'mine'))
    const files = made.manifest.files.map((file, index) => {
      const at = path.join(shared, ...(file.folder === undefined ? [] : [file.folder.name]), file.name)
      const stat = fs.statSync(at, { bigint: true })
      expect(index).toBeLessThan(3)
      return { stamp: { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino } }
    })
    await place.store.adopt(shared, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
    expect(await copy()).toMatchObject({ path: top(other), files: 3 })
    expect(fs.readFileSync(path.join(top(other), 'big.bin')).equals(made.files[0]!)).toBe(true)
  })

  it('keeps existing files with the right bytes', async () => {
    await complete()
    await copy()
    const before = fs.statSync(path.join(top(other), 'big.bin'))
    expect(await copy()).toMatchObject({ files: 3 })
    const after = fs.statSync(path.join(top(other), 'big.bin'))
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs])
  })

  it('has only the files that the globs match', async () => {
    await complete()
    expect(await copy({ include: ['*.sh'] })).toMatchObject({ files: 1, bytes: 1_000 })
    expect(Object.keys(tree(top(other)))).toEqual(['sub', 'sub/run.sh'])
  })

  it('is refused when a file of the content is missing', async () => {
    await complete(['*.sh'])
    await expect(copy()).rejects.toMatchObject({
      code: 'conflict',
      message: '1 of the files are not on this machine',
      hint: expect.stringContaining(place.target) as string
    })
    expect(await copy({ include: ['*.sh'] })).toMatchObject({ files: 1 })
  })

  it('changes nothing when other files are in the way, and replaces them with overwrite', async () => {
    await complete()
    fs.mkdirSync(top(other), { recursive: true })
    fs.writeFileSync(path.join(top(other), 'big.bin'), 'mine')
    await expect(copy()).rejects.toMatchObject({
      code: 'conflict',
      message: `other files are in the way: ${path.join(top(other), 'big.bin')}`
    })
    expect(Object.keys(tree(top(other)))).toEqual(['big.bin'])
    await copy({ overwrite: true })
    expect(tree(other)).toEqual(tree(place.target))
  })

  it('follows no link in the target', async () => {
    await complete()
    const outside = path.join(place.folder, 'outside')
    fs.mkdirSync(outside)
    fs.mkdirSync(top(other), { recursive: true })
    fs.symlinkSync(outside, path.join(top(other), 'sub'))
    await expect(copy({ overwrite: true })).rejects.toMatchObject({ code: 'conflict' })
    expect(fs.readdirSync(outside)).toEqual([])
  })

  it('of a damaged file is refused and leaves nothing', async () => {
    await complete()
    const file = path.join(top(place.target), 'big.bin')
    const stat = fs.statSync(file)
    const handle = fs.openSync(file, 'r+')
    fs.writeSync(handle, 'damaged', 1_000)
    fs.closeSync(handle)
    fs.utimesSync(file, stat.atime, stat.mtime)
    await expect(copy()).rejects.toMatchObject({ code: 'integrity', message: expect.stringContaining(file) as string })
    expect(Object.values(tree(other)).every(what => what === 'folder')).toBe(true)
  })

  it('that is interrupted leaves nothing', async () => {
    await complete()
    const stop = new AbortController()
    const copying = copy({
      signal: stop.signal,
      onProgress: () => {
        stop.abort(new Error('enough'))
      }
    })
    await expect(copying).rejects.toThrow('enough')
    expect(Object.values(tree(other)).every(what => what === 'folder')).toBe(true)
  })

  it('is refused while the content is being fetched', async () => {
    await startDownload(place, made)
    await expect(copy()).rejects.toMatchObject({ code: 'not-found' })
  })
})

const single: Made = makeContent('one.bin', { 'one.bin': { bytes: randomBytes('one', 100) } })

it('a copy of a single file is placed directly in the folder', async () => {
  await startDownload(place, single)
  await place.store.prepare(single.id, undefined)
  await writePieces(place, single, [0])
  await place.store.sync(single.id)
  await place.store.finish(single.id)
  expect(await copy({ content: single.id })).toEqual({ path: path.join(other, 'one.bin'), bytes: 100, files: 1 })
  expect(fs.readFileSync(path.join(other, 'one.bin')).equals(single.files[0]!)).toBe(true)
})
