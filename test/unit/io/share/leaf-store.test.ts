import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { concat, hex, sha256, utf8 } from '../../../../src/base/bytes.ts'
import { CHUNKS_AT_HAND_MAX, FolderLeafStore } from '../../../../src/io/share/leaf-store.ts'
import { FileTree } from '../../../../src/wire/bittorrent/tree.ts'
import { allOf, temporaryFolder } from './kit.ts'

const leavesPerPiece = 4

interface Made {
  root: Uint8Array
  layer: Uint8Array
  pieceLayer: Uint8Array
}

function made(leafCount: number): Made {
  const hashes = Array.from({ length: leafCount }, (_, i) => sha256(utf8(`leaf ${i}`)))
  const tree = new FileTree({ leafCount, leavesPerPiece })
  for (const hash of hashes) tree.push(hash)
  return { ...tree.finish(), layer: concat(...hashes) }
}

async function stored(store: FolderLeafStore, one: Made, step = 96): Promise<void> {
  const writer = await store.create(one.layer.length / 32)
  for (let at = 0; at < one.layer.length; at += step) await writer.append(one.layer.subarray(at, at + step))
  await writer.commit(one.root)
}

function filesIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(one => one.isFile())
    .map(one => path.join(one.parentPath, one.name))
}

describe('stored leaf hashes', () => {
  it.each([2, 3, 2_048, 2_049, 5_000])('of %d leaves come back as they were put', async leafCount => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(leafCount)
    expect(await store.has(one.root, leafCount)).toBe(false)
    await stored(store, one)
    expect(await store.has(one.root, leafCount)).toBe(true)
    expect(await allOf(store.read(one.root, leafCount))).toBe(hex(one.layer))
    expect(filesIn(folder)).toEqual([path.join(folder, hex(one.root).slice(0, 2), hex(one.root).slice(2))])
  })

  it('come piece by piece, the last one short', async () => {
    const store = await FolderLeafStore.open(temporaryFolder())
    const one = made(10)
    await stored(store, one)
    for (const [piece, leaves] of [4, 4, 2].entries()) {
      const expected = one.pieceLayer.subarray(piece * 32, piece * 32 + 32)
      const hashes = await store.piece(one.root, { leafCount: 10, leavesPerPiece, piece, expected })
      expect(hex(hashes!)).toBe(hex(one.layer.subarray(piece * 128, piece * 128 + leaves * 32)))
    }
  })

  it('of a file of one piece have the root of the file', async () => {
    const store = await FolderLeafStore.open(temporaryFolder())
    const one = made(3)
    await stored(store, one)
    const hashes = await store.piece(one.root, { leafCount: 3, leavesPerPiece, piece: 0, expected: one.root })
    expect(hex(hashes!)).toBe(hex(one.layer))
  })

  it('of a file of one leaf are its root, and take no room', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const { root } = made(1)
    expect(await store.has(root, 1)).toBe(true)
    expect(await allOf(store.read(root, 1))).toBe(hex(root))
    expect(hex((await store.piece(root, { leafCount: 1, leavesPerPiece, piece: 0, expected: root }))!)).toBe(hex(root))
    expect(filesIn(folder)).toEqual([])
  })

  it('are not given out when they are damaged, cut short or gone', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(10)
    await stored(store, one)
    const [file = ''] = filesIn(folder)
    const which = { leafCount: 10, leavesPerPiece, piece: 1, expected: one.pieceLayer.subarray(32, 64) }
    const damaged = new Uint8Array(one.layer)
    damaged[200]! ^= 1
    fs.writeFileSync(file, damaged)
    expect(await store.piece(one.root, which)).toBeUndefined()
    fs.writeFileSync(file, one.layer.subarray(0, 200))
    expect(await store.piece(one.root, which)).toBeUndefined()
    expect(await store.has(one.root, 10)).toBe(false)
    await expect(allOf(store.read(one.root, 10))).rejects.toThrow('cut short')
    await store.delete(one.root)
    expect(await store.piece(one.root, which)).toBeUndefined()
    await store.delete(one.root)
  })

  it('are right again when they were damaged and made anew', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(10)
    await stored(store, one)
    const [file = ''] = filesIn(folder)
    const which = { leafCount: 10, leavesPerPiece, piece: 1, expected: one.pieceLayer.subarray(32, 64) }
    fs.writeFileSync(file, new Uint8Array(one.layer.length))
    expect(await store.piece(one.root, which)).toBeUndefined()
    await stored(store, one)
    expect(hex((await store.piece(one.root, which))!)).toBe(hex(one.layer.subarray(128, 256)))
  })

  it('are read from the disk once for many pieces, of a bounded number of files', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(8)
    const pieceOf = (root: Uint8Array, layer: Uint8Array, piece: number): Promise<Uint8Array | undefined> => {
      const expected = layer.subarray(piece * 32, piece * 32 + 32)
      return store.piece(root, { leafCount: (layer.length / 32) * leavesPerPiece, leavesPerPiece, piece, expected })
    }
    await stored(store, one)
    expect(await pieceOf(one.root, one.pieceLayer, 0)).toBeDefined()
    fs.rmSync(filesIn(folder)[0]!)
    expect(hex((await pieceOf(one.root, one.pieceLayer, 1))!)).toBe(hex(one.layer.subarray(128)))

    for (let i = 0; i < CHUNKS_AT_HAND_MAX; i++) {
      const other = made(8 + 4 * (i + 1))
      await stored(store, other)
      expect(await pieceOf(other.root, other.pieceLayer, 0)).toBeDefined()
    }
    expect(await pieceOf(one.root, one.pieceLayer, 1)).toBeUndefined()
  })

  it('may be put twice, also at the same time', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(3_000)
    await Promise.all([stored(store, one), stored(store, one)])
    expect(await allOf(store.read(one.root, 3_000))).toBe(hex(one.layer))
    expect(filesIn(folder)).toHaveLength(1)
  })

  it('leave nothing behind when they are discarded, or when the process dies', async () => {
    const folder = temporaryFolder()
    const store = await FolderLeafStore.open(folder)
    const one = made(5_000)
    const discarded = await store.create(5_000)
    await discarded.append(one.layer.subarray(0, 4_000 * 32))
    expect(filesIn(folder)).toHaveLength(1)
    await discarded.discard()
    expect(filesIn(folder)).toEqual([])
    fs.writeFileSync(path.join(folder, 'tmp', '1'), 'left by a crash')
    await FolderLeafStore.open(folder)
    expect(filesIn(folder)).toEqual([])
  })

  it('are as many as were promised', async () => {
    const store = await FolderLeafStore.open(temporaryFolder())
    const one = made(10)
    const writer = await store.create(10)
    await writer.append(one.layer.subarray(32))
    await expect(writer.commit(one.root)).rejects.toThrow('as many leaf hashes')
    await writer.discard()
    expect(await store.has(one.root, 10)).toBe(false)
  })
})
