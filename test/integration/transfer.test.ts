/** Bytes, names and modes arrive as they were, and neither side needs memory for it. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from './cluster.ts'
import { contents, makeFile, makeFolder, makeOddities, size } from './content.ts'

const PEAK_MEMORY_BYTES_MAX = 250e6

describe('what one node shares and another fetches', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start(2)
  })
  afterAll(() => cluster.close())

  it(`is equal by SHA-256: a file of ${size.bigBytes >> 20} MiB of random bytes`, async () => {
    const file = makeFile(cluster.folder('big.bin'), size.bigBytes)
    const { id } = await cluster.node(1).ok('share', [file])
    const done = await cluster.node(2).ok('get', [id, '-o', cluster.folder('fetched')])
    expect(done).toMatchObject({
      bytes: size.bigBytes,
      fetchedBytes: size.bigBytes,
      path: cluster.folder('fetched/big.bin')
    })
    expect(contents(done.path)).toEqual(contents(file))
    fs.rmSync(file)
    fs.rmSync(done.path)
  })

  it(`is equal by SHA-256: a folder of ${size.files} small files`, async () => {
    const folder = makeFolder(cluster.folder('many'), size.files)
    expect(await cluster.node(1).ok('share', [folder])).toMatchObject({ files: size.files })
    const { path } = await cluster.node(2).ok('get', ['many', '-o', cluster.folder('fetched')])
    expect(contents(path)).toEqual(contents(folder))
    expect(Object.keys(contents(path))).toHaveLength(size.files)
  })

  it('keeps empty files and folders, Chinese names, names of 255 bytes, executable bits', async () => {
    const folder = cluster.folder('odd 名')
    makeOddities(folder)
    await cluster.node(1).ok('share', [folder])
    const { path } = await cluster.node(2).ok('get', ['odd 名', '-o', cluster.folder('fetched')])
    expect(contents(path)).toEqual(contents(folder))
  })

  it.each([1, 2])(`took under ${PEAK_MEMORY_BYTES_MAX / 1e6} MB of memory at its peak (VmHWM): n%i`, number => {
    expect(cluster.node(number).peakMemoryBytes).toBeLessThan(PEAK_MEMORY_BYTES_MAX)
  })
})
