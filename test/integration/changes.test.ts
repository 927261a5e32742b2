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
    // Without --overwrite: the sharer signed that the new content replaces the one that was fetched.
    const done = await cluster.node(2).ok('get', [shared.id, '-o', cluster.folder('fetched')])
    expect(contents(done.path)).toEqual(contents(folder))
    const moved = CHANGED.length * CHANGED_BYTES
    expect(done).toMatchObject({ bytes: shared.bytes, fetchedBytes: moved, reusedBytes: shared.bytes - moved })
  })

  it('get of another folder of that name into the same place is refused, and nothing is replaced', async () => {
    const stranger = `${cluster.folder('elsewhere')}/album`
    fs.mkdirSync(`${stranger}/d0`, { recursive: true })
    makeFile(`${stranger}/d0/f7`, CHANGED_BYTES, 'of somebody else')
    const { id } = await cluster.node(1).ok('share', [stranger])
    const before = contents(`${cluster.folder('fetched')}/album`)
    const refused = await cluster.node(2).run(['get', id, '-o', cluster.folder('fetched')])
    expect([refused.code, JSON.stringify(refused.lines)]).toEqual([11, expect.stringContaining('--overwrite')])
    expect(contents(`${cluster.folder('fetched')}/album`)).toEqual(before)
  })

  it('share of an unchanged folder hashes none, and has the same ID', async () => {
    const before = await cluster.node(1).ok('share', [folder])
    fs.utimesSync(folder, 1, 1)
    expect(await cluster.node(1).ok('share', [folder])).toMatchObject({ id: before.id, filesHashed: 0 })
  })
})
