/** One file or folder that cannot be shared: the others are, and it is named. Strictly, nothing is. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { EntryError, diskError } from '../../../../src/io/share/errors.ts'
import type { Skipped } from '../../../../src/io/share/skipped.ts'
import { pathOf, type Manifest } from '../../../../src/wire/bittorrent/metainfo.ts'
import { PATH_BYTES_MAX, PATH_DEPTH_MAX } from '../../../../src/wire/bittorrent/paths.ts'
import { isRoot, nobody } from '../../../fixtures/other-user.ts'
import { content } from '../../../fixtures/torrents/cases.ts'
import { bench, put, temporaryFolder } from './kit.ts'

const root = path.resolve(import.meta.dirname, '../../../..')
const MB = 1 << 20
const other = nobody()
const none = { symlinks: 0, specials: 0, names: 0, paths: 0, unreadable: 0, failing: 0, changed: 0, vanished: 0 }

const namesIn = (manifest: Manifest): string[] => manifest.files.map(file => pathOf(file).join('/'))
const grow = (target: string): void => {
  fs.appendFileSync(target, 'more')
}

describe('of a folder with an entry that fails, a scan shares the rest', () => {
  it('when a file or folder may not be read, and names both', () => {
    const { folder, locked, secret, scanAsOther } = unreadable()
    const skipped = {
      ...{ ...none, unreadable: 2 },
      examples: [
        { path: JSON.stringify(locked), reason: 'unreadable' },
        { path: JSON.stringify(secret), reason: 'unreadable' }
      ]
    }
    expect(scanAsOther(folder)).toEqual({ files: ['a', 'b'], skipped })
  })

  it('when a file changes at each attempt to read it', async () => {
    const { folder, scan } = await bench()
    put(folder, 'a', 'a')
    const log = put(folder, 'app.log', content(1, 4 * MB))
    put(folder, 'z', content(2, 3 * MB))
    const { manifest, skipped, files, filesHashed } = await scan(folder, { onProgress: () => grow(log) })
    expect(namesIn(manifest)).toEqual(['a', 'z'])
    expect(files.map(file => path.basename(file.diskPath))).toEqual(['a', 'z'])
    expect(filesHashed).toBe(2)
    expect(skipped).toEqual({ ...none, changed: 1, examples: [{ path: JSON.stringify(log), reason: 'changed' }] })
    expect(fs.readdirSync(path.join(folder, '..', 'leaves', 'tmp'))).toEqual([])
  })

  it('when a file is removed before it is read', async () => {
    const { folder, scan } = await bench()
    put(folder, 'a', 'a')
    const large = put(folder, 'sub/large', content(1, MB))
    const { manifest, skipped } = await scan(folder, { onProgress: () => fs.rmSync(large, { force: true }) })
    expect(namesIn(manifest)).toEqual(['a'])
    expect(skipped).toMatchObject({ ...none, vanished: 1 })
  })

  it('when a path is too deep for a manifest, or too long', async () => {
    const { folder, scan } = await bench()
    const deepest = `${'d/'.repeat(PATH_DEPTH_MAX - 1)}f`
    put(folder, deepest, 'f')
    put(folder, `${'d/'.repeat(PATH_DEPTH_MAX - 1)}e/f`, 'f')
    const longest = 'n'.repeat(199) + `/${'n'.repeat(199)}`.repeat(PATH_BYTES_MAX / 200 - 1)
    put(folder, `${longest}/x`, 'x')
    const { manifest, skipped } = await scan(folder)
    expect(namesIn(manifest)).toEqual([deepest])
    expect(manifest.emptyFolders).toHaveLength(2)
    expect(skipped).toMatchObject({ ...none, paths: 2 })
  })

  it('with the piece length of the rest', async () => {
    const { folder, scan } = await bench()
    put(folder, 'album/a', content(1, 2 * MB))
    const calm = await scan(path.join(folder, 'album'))
    const log = put(folder, 'album/app.log', content(1, 12 * MB))
    const { manifest } = await scan(path.join(folder, 'album'), { onProgress: () => grow(log) })
    expect(manifest.contentId).toBe(calm.manifest.contentId)
  })

  it('although the piece length should change with each attempt', async () => {
    const { folder, scan } = await bench()
    put(folder, 'a', 'a')
    const sizes = [40, 9, 3]
    const large = sizes.map(size => put(folder, `f${size}`, content(size, size * MB)))
    const forgetful = { get: () => undefined, put: () => undefined }
    let last = Infinity
    const { manifest, skipped } = await scan(folder, {
      cache: forgetful,
      onProgress: ({ files }) => {
        if (files < last) fs.rmSync(large.shift() ?? '', { force: true })
        last = files
      }
    })
    expect(namesIn(manifest)).toEqual(['a'])
    expect(manifest.layout.pieceLengthBytes).toBe(32 << 10)
    expect(skipped).toMatchObject({ ...none, vanished: 3 })
  })

  it('but fails when nothing else is left', async () => {
    const { folder, scan } = await bench()
    const log = put(folder, 'app.log', content(1, 4 * MB))
    await expect(scan(folder, { onProgress: () => grow(log) })).rejects.toMatchObject({ code: 'conflict' })
    const { folder: locked, secret, scanAsOther } = unreadable()
    for (const name of ['a', 'b', 'locked']) fs.rmSync(path.join(locked, name), { recursive: true })
    expect(scanAsOther(locked)).toEqual({
      code: 'permission',
      message: `cannot read ${JSON.stringify(secret)}: permission denied`,
      hint: expect.stringContaining('right to read') as string
    })
  })
})

describe('a strict scan fails', () => {
  it('with what may not be read', () => {
    const { folder, scanAsOther } = unreadable()
    expect(scanAsOther(folder, 'strict')).toMatchObject({ code: 'permission' })
  })

  it.each(['app.log', '\udce9'])('with a file that changes: %j', async name => {
    const { folder, scan } = await bench()
    put(folder, 'a', 'a')
    const log = put(folder, name, content(1, 4 * MB))
    const strict = true
    await expect(scan(folder, { strict, onProgress: () => grow(log) })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('with a path that is too deep, and with a name that is not UTF-8', async () => {
    const { folder, scan } = await bench()
    put(folder, 'deep/' + 'd/'.repeat(PATH_DEPTH_MAX) + 'f', 'f')
    await expect(scan(folder, { strict: true })).rejects.toMatchObject({ code: 'limit' })
    fs.rmSync(path.join(folder, 'deep'), { recursive: true })
    fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9)]), 'latin1')
    await expect(scan(folder, { strict: true })).rejects.toMatchObject({ code: 'bad-input' })
  })

  it('but not with symlinks, which are never shared', async () => {
    const { folder, scan } = await bench()
    put(folder, 'a', 'a')
    fs.symlinkSync('a', path.join(folder, 'link'))
    expect((await scan(folder, { strict: true })).skipped).toMatchObject({ symlinks: 1 })
  })
})

describe('a scan fails when the folder itself', () => {
  it('is removed or replaced meanwhile', async () => {
    const { folder, scan } = await bench()
    const album = path.join(folder, 'album')
    put(album, 'a', content(1, MB))
    put(album, 'b', content(1, MB))
    const moved = (): void => (fs.existsSync(album) ? fs.renameSync(album, `${album}.old`) : undefined)
    await expect(scan(album, { onProgress: moved })).rejects.toMatchObject({ code: 'not-found' })
    put(album, 'a', content(1, MB))
    put(album, 'b', content(1, MB))
    const replaced = (): void => {
      fs.rmSync(`${album}.old`, { recursive: true, force: true })
      fs.renameSync(album, `${album}.old`)
      fs.mkdirSync(album)
    }
    await expect(scan(album, { onProgress: replaced })).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('the error of a file system call', () => {
  const told = (code: string): unknown => diskError(Object.assign(new Error(code), { code }), '/x')

  it.each([
    ['EACCES', 'permission', 'unreadable'],
    ['EPERM', 'permission', 'unreadable'],
    ['ENOENT', 'conflict', 'vanished'],
    ['ELOOP', 'conflict', 'changed'],
    ['ENXIO', 'conflict', 'changed'],
    ['ENAMETOOLONG', 'limit', 'path'],
    ['EIO', 'internal', 'failing'],
    ['ESTALE', 'internal', 'failing'],
    ['EUCLEAN', 'internal', 'failing']
  ])('%s concerns one entry: %s, %s', (errno, code, reason) => {
    expect(told(errno)).toBeInstanceOf(EntryError)
    expect(told(errno)).toMatchObject({ code, reason, diskPath: '/x' })
  })

  it.each(['EMFILE', 'ENFILE'])('%s concerns the whole', errno => {
    expect(told(errno)).not.toBeInstanceOf(EntryError)
    expect(told(errno)).toMatchObject({ code: 'limit' })
  })

  it('is no other than it was when it is none of the system', () => {
    const error = new Error('x')
    expect(diskError(error, '/x')).toBe(error)
  })
})

interface Unreadable {
  folder: string
  locked: string
  secret: string
  scanAsOther: (target: string, ...strict: string[]) => { skipped?: Skipped; code?: string }
}

/** Files a and b, a file and a folder that nobody may read; and a scan by somebody who is not root. */
function unreadable(): Unreadable {
  const base = temporaryFolder()
  fs.chmodSync(base, 0o755)
  const folder = path.join(base, 'open')
  put(folder, 'a', 'a')
  put(folder, 'b', 'b')
  const locked = path.join(folder, 'locked')
  const secret = put(folder, 'secret', 'secret')
  fs.mkdirSync(locked, { mode: 0 })
  fs.chmodSync(secret, 0)
  const stores = path.join(base, 'stores')
  fs.mkdirSync(stores)
  fs.chmodSync(stores, 0o777)
  const scanAsOther: Unreadable['scanAsOther'] = (target, ...strict) => {
    const [node, code] = isRoot ? [other.node, other.root] : ['node', root]
    const script = path.join(code, 'test/fixtures/share/scan-once.ts')
    const user = isRoot ? { uid: other.uid, gid: other.uid } : {}
    const run = spawnSync(node, [script, target, path.join(stores, 'leaves'), ...strict], { ...user, encoding: 'utf8' })
    return JSON.parse(run.stdout === '' ? JSON.stringify(run.stderr) : run.stdout) as ReturnType<
      Unreadable['scanAsOther']
    >
  }
  return { folder, locked, secret, scanAsOther }
}
