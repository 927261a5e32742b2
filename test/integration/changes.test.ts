/** A folder that was shared, changes and is shared again costs what changed. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from './cluster.ts'
import { contents, makeFile, makeFolder, size } from './content.ts'

const CHANGED = ['d0/f7', 'd2/f222', 'd4/f450']
const CHANGED_BYTES = 5_000

describe(`after 3 of ${size.files} files changed`, () => {
  let cluster: Cluster
  let folder: string
  beforeAll(async () => {
    cluster = await Cluster.start(2)
    folder = makeFolder(cluster.folder('album'), size.files)
    const { id } = await cluster.node(1).ok('share', [folder])
    await cluster.node(2).ok('get', [id, '-o', cluster.folder('fetched')])
    for (const name of CHANGED) makeFile(`${folder}/${name}`, CHANGED_BYTES, `${name} anew`)
  })
  afterAll(() => cluster.close())

  it('share hashes 3, and get into the same folder moves those 3', async () => {
    const shared = await cluster.node(1).ok('share', [folder])
    expect(shared).toMatchObject({ files: size.files, filesHashed: 3 })
    const options = ['-o', cluster.folder('fetched'), '--overwrite']
    const done = await cluster.node(2).ok('get', [shared.id, ...options])
    expect(contents(done.path)).toEqual(contents(folder))
    const moved = CHANGED.length * CHANGED_BYTES
    expect(done).toMatchObject({ bytes: shared.bytes, fetchedBytes: moved, reusedBytes: shared.bytes - moved })
  })

  it('share of an unchanged folder hashes none, and has the same ID', async () => {
    const before = await cluster.node(1).ok('share', [folder])
    fs.utimesSync(folder, 1, 1)
    expect(await cluster.node(1).ok('share', [folder])).toMatchObject({ id: before.id, filesHashed: 0 })
  })
})
