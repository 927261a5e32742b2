import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { hex, sha256 } from '../../../../src/base/bytes.ts'
import { LEAF_BYTES } from '../../../../src/wire/bittorrent/layout.ts'
import { folderPathOf, pathOf, rootKey, rootOf } from '../../../../src/wire/bittorrent/metainfo.ts'
import { hasPieceLayers, parseTorrent, verifyPieceLayers } from '../../../../src/wire/bittorrent/torrent.ts'
import { cases, content, torrentOf, writeCase } from '../../../fixtures/torrents/cases.ts'
import { age, allOf, bench, put } from './kit.ts'

describe('a scan', () => {
  it.each(cases.filter(({ kind }) => kind === 'v2'))(
    'gives the ID, the bytes and the piece layers of $torrent',
    async one => {
      const { folder, scan, leaves } = await bench()
      const scanned = await scan(writeCase(folder, one), { pieceLengthBytes: one.pieceLengthBytes })
      const theirs = parseTorrent(torrentOf(one))
      expect(hex(scanned.manifest.raw)).toBe(hex(theirs.manifest.raw))
      expect(scanned.manifest.contentId).toBe(one.contentId)
      expect(new Map(scanned.pieceLayers)).toEqual(new Map([...theirs.pieceLayers]))
      for (const file of scanned.manifest.files) {
        const fileRoot = rootOf(scanned.manifest, file)
        if (fileRoot !== undefined)
          expect(await leaves.has(fileRoot, Math.ceil(file.lengthBytes / LEAF_BYTES))).toBe(true)
      }
    }
  )

  it('gives the leaf hashes of every file, whatever its length', async () => {
    const { folder, scan, leaves } = await bench()
    for (const length of [
      1,
      LEAF_BYTES,
      LEAF_BYTES + 1,
      (1 << 20) - 1,
      1 << 20,
      (1 << 20) + 1,
      (3 << 20) + LEAF_BYTES + 5
    ]) {
      const bytes = content(length, length)
      const { manifest, pieceLayers, bytesHashed } = await scan(put(folder, `f${length}`, bytes))
      const hashes = []
      for (let at = 0; at < length; at += LEAF_BYTES) hashes.push(sha256(bytes.subarray(at, at + LEAF_BYTES)))
      const fileRoot = rootOf(manifest, manifest.files[0]!)!
      expect(await allOf(leaves.read(fileRoot, hashes.length))).toBe(hex(Buffer.concat(hashes)))
      expect(hasPieceLayers(manifest, pieceLayers)).toBe(true)
      expect([...verifyPieceLayers(manifest, pieceLayers)]).toEqual([])
      expect(bytesHashed).toBe(length)
    }
  })

  it('tells where each file of the manifest is', async () => {
    const { folder, scan } = await bench()
    const names = ['b/x', 'a', 'B', 'a.b', 'b-/y', 'ab/z/1', '文']
    for (const name of names) put(folder, name, name)
    const { manifest, files } = await scan(folder)
    expect(manifest.files.map(file => pathOf(file).join('/'))).toEqual(['B', 'a', 'a.b', 'ab/z/1', 'b/x', 'b-/y', '文'])
    expect(files.map(file => path.relative(folder, file.diskPath))).toEqual(
      manifest.files.map(file => pathOf(file).join('/'))
    )
    expect(files.map(file => fs.readFileSync(file.diskPath, 'utf8'))).toEqual(
      manifest.files.map(file => pathOf(file).join('/'))
    )
    expect(files.map(file => file.stamp.sizeBytes)).toEqual(manifest.files.map(file => file.lengthBytes))
  })

  it('keeps empty folders and empty files', async () => {
    const { folder, scan } = await bench()
    put(folder, 'empty', '')
    fs.mkdirSync(path.join(folder, 'hollow/inner'), { recursive: true })
    const { manifest, filesHashed } = await scan(folder)
    expect(manifest.emptyFolders.map(folderPathOf)).toEqual([['hollow', 'inner']])
    expect(manifest.files.map(file => [file.name, file.lengthBytes])).toEqual([['empty', 0]])
    expect(filesHashed).toBe(0)
  })

  it('skips symlinks, sockets, pipes and names that are not UTF-8, and counts them', async () => {
    const { folder, scan } = await bench()
    put(folder, 'kept', 'kept')
    fs.symlinkSync('kept', path.join(folder, 'link'))
    fs.symlinkSync('/', path.join(folder, 'root'))
    execFileSync('mkfifo', [path.join(folder, 'pipe')])
    const server = net.createServer()
    await new Promise<void>(resolve => server.listen(path.join(folder, 'socket'), resolve))
    fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9)]), 'latin1')
    const { manifest, skipped } = await scan(folder)
    server.close()
    expect(manifest.files.map(file => file.name)).toEqual(['kept'])
    expect(skipped).toMatchObject({ symlinks: 2, specials: 2, names: 1 })
    expect(skipped.examples.map(one => one.reason).sort()).toEqual(['name', 'special', 'special', 'symlink', 'symlink'])
  })

  it('follows the symlink that it was given', async () => {
    const { folder, scan } = await bench()
    put(folder, 'real/a', 'a')
    fs.symlinkSync('real', path.join(folder, 'link'))
    const { manifest } = await scan(path.join(folder, 'link'))
    expect([manifest.name, manifest.files[0]?.name]).toEqual(['link', 'a'])
  })

  it('counts up to all files and bytes', async () => {
    const { folder, scan } = await bench()
    put(folder, 'large', content(1, 3 << 20))
    for (let i = 0; i < 20; i++) put(folder, `s${i}`, content(i, 100))
    const reports: Array<{ files: number; bytes: number }> = []
    await scan(folder, { onProgress: ({ files, bytes }) => reports.push({ files, bytes }) })
    expect(reports.at(-1)).toEqual({ files: 21, bytes: (3 << 20) + 2_000 })
    expect(reports).toEqual([...reports].sort((a, b) => a.bytes - b.bytes || a.files - b.files))
  })
})

describe('a second scan', () => {
  it('hashes the three of many files that changed', async () => {
    const { folder, scan } = await bench()
    for (let i = 0; i < 200; i++) put(folder, `d${i % 9}/f${i}`, content(i, 40 * i))
    put(folder, 'large', content(1, 2 << 20))
    const first = await scan(folder)
    expect(first).toMatchObject({ filesHashed: 200, filesReused: 0 })
    const again = await scan(folder)
    expect(again).toMatchObject({ filesHashed: 0, filesReused: 200, bytesHashed: 0 })
    expect(again.manifest.contentId).toBe(first.manifest.contentId)
    expect([...again.pieceLayers]).toEqual([...first.pieceLayers])
    for (const i of [10, 11, 12]) put(folder, `d${i % 9}/f${i}`, content(i + 1, 40 * i), 1_800)
    const third = await scan(folder)
    expect(third).toMatchObject({ filesHashed: 3, filesReused: 197, bytesHashed: 40 * 33 })
    expect(third.manifest.contentId).not.toBe(first.manifest.contentId)
  })

  it('trusts what was written a moment before the first', async () => {
    const { folder, scan } = await bench()
    for (let i = 0; i < 20; i++) fs.writeFileSync(path.join(folder, `f${i}`), content(i, 100))
    expect(await scan(folder)).toMatchObject({ filesHashed: 20 })
    expect(await scan(folder)).toMatchObject({ filesHashed: 0, filesReused: 20 })
  })

  it('does not trust a file of the same size in the same place with another inode, or whose time is in the future', async () => {
    const { folder, scan } = await bench()
    const replaced = put(folder, 'replaced', 'one', 7_200)
    put(folder, 'future', 'one', -3_600)
    await scan(folder)
    const { atime, mtime } = fs.statSync(replaced)
    fs.writeFileSync(path.join(folder, '..', 'other'), 'two')
    fs.renameSync(path.join(folder, '..', 'other'), replaced)
    fs.utimesSync(replaced, atime, mtime)
    expect(await scan(folder)).toMatchObject({ filesHashed: 2, filesReused: 0 })
  })

  it('hashes again when the leaf hashes are gone or damaged', async () => {
    const { folder, scan, leaves } = await bench()
    put(folder, 'file', content(3, 40 * LEAF_BYTES))
    const first = await scan(folder)
    const fileRoot = rootOf(first.manifest, first.manifest.files[0]!)!
    await leaves.delete(fileRoot)
    expect(await scan(folder)).toMatchObject({ filesHashed: 1 })
    const stored = path.join(folder, '..', 'leaves', hex(fileRoot).slice(0, 2), hex(fileRoot).slice(2))
    const bytes = fs.readFileSync(stored)
    bytes[5]! ^= 1
    fs.writeFileSync(stored, bytes)
    const third = await scan(folder)
    expect(third).toMatchObject({ filesHashed: 1 })
    expect([...third.pieceLayers]).toEqual([...first.pieceLayers])
    expect(await scan(folder)).toMatchObject({ filesReused: 1 })
  })

  it('makes piece layers for another piece length from the leaf hashes', async () => {
    const { folder, scan } = await bench()
    put(folder, 'file', content(3, 40 * LEAF_BYTES + 1))
    await scan(folder, { pieceLengthBytes: LEAF_BYTES })
    const { manifest, pieceLayers, filesReused } = await scan(folder, { pieceLengthBytes: 4 * LEAF_BYTES })
    expect(filesReused).toBe(1)
    expect(pieceLayers.get(rootKey(rootOf(manifest, manifest.files[0]!)!))).toHaveLength(11 * 32)
    expect([...verifyPieceLayers(manifest, pieceLayers)]).toEqual([])
  })
})

describe('a file that changes while it is hashed', () => {
  const grow = (target: string): void => {
    fs.appendFileSync(target, 'more')
  }

  it('is hashed once more, and right', async () => {
    const { folder, scan } = await bench()
    const target = put(folder, 'file', content(1, 4 << 20))
    let times = 0
    const { manifest, files } = await scan(target, {
      onProgress: () => {
        if (times++ === 0) grow(target)
      }
    })
    expect(manifest.files[0]?.lengthBytes).toBe((4 << 20) + 4)
    expect(files[0]?.stamp.sizeBytes).toBe((4 << 20) + 4)
    const calm = await scan(target)
    expect(calm.manifest.contentId).toBe(manifest.contentId)
  })

  it('is a conflict when it changes again, and leaves nothing in the store', async () => {
    const { folder, scan } = await bench()
    const target = put(folder, 'file', content(1, 4 << 20))
    const scanning = scan(target, {
      onProgress: () => {
        grow(target)
      }
    })
    await expect(scanning).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('file" changed while') as string
    })
    expect(fs.readdirSync(path.join(folder, '..', 'leaves', 'tmp'))).toEqual([])
  })

  it('is seen when it shrinks, when it is replaced, and when it keeps its size', async () => {
    const { folder, scan } = await bench()
    const changes: Array<(target: string) => void> = [
      target => {
        fs.truncateSync(target, 5)
      },
      target => {
        fs.writeFileSync(`${target}.new`, content(9, 4 << 20))
        fs.renameSync(`${target}.new`, target)
      },
      target => {
        fs.writeFileSync(target, content(9, 4 << 20))
      }
    ]
    for (const [index, change] of changes.entries()) {
      const target = put(folder, `file${index}`, content(1, 4 << 20))
      let times = 0
      const first = await scan(target, {
        onProgress: () => {
          if (times++ === 0) change(target)
        }
      })
      expect(first.manifest.contentId).toBe((await scan(target)).manifest.contentId)
      age(target, 60)
      expect(first.manifest.contentId).toBe((await scan(target)).manifest.contentId)
    }
  })

  it('is a conflict when it vanishes', async () => {
    const { folder, scan } = await bench()
    const target = put(folder, 'file', content(1, 4 << 20))
    const scanning = scan(target, {
      onProgress: () => {
        fs.rmSync(target, { force: true })
      }
    })
    await expect(scanning).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('a scan is refused', () => {
  it.each([
    ['a path that is not there', 'nothing', 'not-found'],
    ['an empty folder', 'hollow', 'bad-input'],
    ['a folder of nothing but symlinks', 'links', 'bad-input'],
    ['a pipe', 'pipe', 'bad-input'],
    ['the root of the disk', '/', 'bad-input']
  ])('%s', async (_what, name, code) => {
    const { folder, scan } = await bench()
    fs.mkdirSync(path.join(folder, 'hollow'))
    fs.mkdirSync(path.join(folder, 'links'))
    fs.symlinkSync('x', path.join(folder, 'links/x'))
    execFileSync('mkfifo', [path.join(folder, 'pipe')])
    const target = path.resolve(folder, name)
    await expect(scan(target)).rejects.toMatchObject({
      name: 'ShoalError',
      code,
      message: expect.stringContaining(JSON.stringify(target)) as string
    })
  })

  it('a piece length that makes too many pieces, before anything is hashed', async () => {
    const { folder, scan } = await bench()
    const target = put(folder, 'sparse', '')
    fs.truncateSync(target, 2 ** 40)
    await expect(scan(target, { pieceLengthBytes: LEAF_BYTES })).rejects.toMatchObject({ code: 'limit' })
  })
})

describe('a scan that is stopped', () => {
  it('ends with the reason, leaves nothing half-written, and keeps what it had hashed', async () => {
    const { folder, scan, cache } = await bench()
    put(folder, 'small', 'small')
    put(folder, 'large', content(1, 8 << 20))
    const controller = new AbortController()
    const scanning = scan(folder, {
      signal: controller.signal,
      onProgress: ({ bytes }) => {
        if (bytes > 2 << 20) controller.abort(new Error('enough'))
      }
    })
    await expect(scanning).rejects.toThrow('enough')
    expect(fs.readdirSync(path.join(folder, '..', 'leaves', 'tmp'))).toEqual([])
    expect([...cache.files.keys()]).toEqual([path.join(folder, 'small')])
  })
})
