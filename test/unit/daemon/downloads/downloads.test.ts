/** A download's life, with nobody watching unless the title says so. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import { follow } from '../../../../src/daemon/downloads/follow.ts'
import { transferRow, type RowSources } from '../../../../src/daemon/downloads/rows.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { makeContent, layOut, randomBytes, type Made } from '../../io/store/contents.ts'
import { PEER } from './exchange-node.ts'
import { World } from './world.ts'

const content = (name: string, seed = name): Made =>
  makeContent(name, {
    'big.bin': { bytes: randomBytes(`${seed} big`, 300_000) },
    'sub/small.bin': { bytes: randomBytes(`${seed} small`, 20_000) }
  })

const album = content('album')
const signal = new AbortController().signal
const noMembers = { membership: { member: () => undefined } } as unknown as RowSources['view']

function written(world: World, made: Made): boolean {
  const top = path.join(world.place.target, made.manifest.name)
  return made.files.every((bytes, file) => {
    const name = made.manifest.files[file]!
    const at = path.join(top, name.folder === undefined ? '' : name.folder.name, name.name)
    return fs.existsSync(at) && fs.readFileSync(at).equals(bytes)
  })
}

/** Something else stands under the name of a file. */
function putInTheWay(world: World, made: Made): string {
  const file = path.join(world.place.target, made.manifest.name, 'big.bin')
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, 'mine')
  return file
}

describe('a download', () => {
  it('is complete once every file has its name, and is served', async () => {
    const world = await World.open([album])
    const heard = world.hear(album.id)
    await world.get(album)
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
    expect(world.place.store.holding(album.id)?.complete).toBe(true)
    expect(heard.map(({ kind }) => kind)).toEqual(['running', 'complete'])
    expect(world.node.role(album.id)).toBe('download')
  })

  it('that is not to be served leaves the node when it is complete, and its progress stays', async () => {
    const world = await World.open([album])
    await world.get(album, { serve: false })
    await world.reach(album, 'complete')
    await expect.poll(() => world.node.role(album.id)).toBe(undefined)
    expect(world.downloads.progress(album.id)).toMatchObject({ state: 'complete', fetchedBytes: 320_000 })
  })

  it('of a content that is complete looks at it again, and fetches nothing', async () => {
    const world = await World.open([album])
    await world.get(album)
    await world.reach(album, 'complete')
    await world.get(album)
    await world.reach(album, 'complete')
    expect(world.downloads.progress(album.id)).toMatchObject({ fetchedBytes: 0, reusedBytes: 320_000 })
  })

  it('of more files of the same content keeps those that are here', async () => {
    const world = await World.open([album])
    await world.get(album, { include: ['small.bin'] })
    await world.reach(album, 'complete')
    await world.get(album)
    await world.reach(album, 'complete')
    expect(world.downloads.progress(album.id)).toMatchObject({ fetchedBytes: 300_000, reusedBytes: 20_000 })
  })

  it('is refused while the content is fetched to another folder, and that one continues', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    await expect(world.get(album, { folder: path.join(world.place.folder, 'other') })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is already being fetched') as string
    })
    world.node.speak()
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
  })

  it('that was fetched only to be read moves to the folder of a get that takes over', async () => {
    const world = await World.open([album])
    const passing = path.join(world.place.folder, 'passing')
    world.node.peer = 'silent'
    await world.get(album, { folder: passing, overwrite: true, serve: false })
    world.node.advance(1_000)
    world.node.peer = 'gives'
    await world.get(album, { discard: true })
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
    expect(fs.existsSync(path.join(passing, 'album'))).toBe(false)
  })
})

describe('pause', () => {
  it('stops the download, and get with the same options continues it', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const heard = world.hear(album.id)
    await world.downloads.pause(album.id)
    expect(world.downloads.progress(album.id)).toMatchObject({ state: 'paused' })
    await world.downloads.pause(album.id)
    expect(heard).toEqual([{ kind: 'paused' }])
    world.node.peer = 'gives'
    await world.get(album)
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
  })

  it('is refused for what is complete, failed or not a download', async () => {
    const world = await World.open([album])
    const refused = (why: string) => ({ code: 'conflict', message: `there is nothing to pause: ${album.id} ${why}` })
    await expect(world.downloads.pause(album.id)).rejects.toMatchObject(refused('is not being fetched'))
    await world.get(album)
    await world.reach(album, 'complete')
    await expect(world.downloads.pause(album.id)).rejects.toMatchObject(refused('is complete'))
    await world.downloads.remove(album.id, { deleteFiles: true })
    putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    await expect(world.downloads.pause(album.id)).rejects.toMatchObject(refused('failed'))
  })
})

describe('a failure with nobody watching', () => {
  it('a conflict in the target: nothing is touched, nothing stays in the catalogue, and it is remembered', async () => {
    const world = await World.open([album])
    const file = putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    expect(world.downloads.failure(album.id)).toMatchObject({ name: 'album', problem: { code: 'conflict' } })
    expect(world.downloads.failure(album.id)?.problem.message).toContain(file)
    expect(world.place.store.holding(album.id)).toBeUndefined()
    expect(world.node.role(album.id)).toBeUndefined()
    expect(fs.readFileSync(file, 'utf8')).toBe('mine')
    await world.get(album, { overwrite: true })
    expect(world.downloads.failure(album.id)).toBeUndefined()
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
  })

  it('a conflict with a complete download that was damaged: it stays complete and is served', async () => {
    const world = await World.open([album])
    await world.get(album)
    await world.reach(album, 'complete')
    putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    expect(world.place.store.holding(album.id)).toMatchObject({ complete: true, kind: 'download' })
    expect(world.node.role(album.id)).toBe('seed')
    expect(world.monitored).toEqual([`offered ${album.id}`])
  })

  it('a manifest that is refused', async () => {
    const world = await World.open([album])
    world.node.refused.add(album.id)
    await world.get(album)
    await world.reach(album, 'failed')
    expect(world.downloads.failure(album.id)).toMatchObject({ name: '', problem: { code: 'bad-input' } })
    expect(world.place.store.holding(album.id)).toBeUndefined()
    expect(world.node.role(album.id)).toBeUndefined()
  })

  it('a manifest that is refused while the download is paused', async () => {
    const world = await World.open([album])
    await world.get(album, { holders: [] })
    await world.downloads.pause(album.id)
    world.place.store.refused(album.id, new ShoalError('bad-input', 'the manifest is refused'))
    await world.reach(album, 'failed')
    expect(world.node.role(album.id)).toBeUndefined()
  })

  it('a full disk: it waits, and continues by itself when there is room', async () => {
    const world = await World.open([album])
    world.node.disk = 'disk-full'
    const heard = world.hear(album.id)
    await world.get(album)
    await world.reach(album, 'waiting')
    expect(world.downloads.state(album.id)).toMatchObject({ for: 'room', problem: { code: 'disk-full' } })
    expect(world.downloads.failure(album.id)).toBeUndefined()
    world.node.disk = 'works'
    await world.reach(album, 'complete')
    expect(heard.map(({ kind }) => kind)).toEqual(['running', 'waiting', 'running', 'complete'])
    expect(written(world, album)).toBe(true)
  })

  it('a folder that cannot be made', async () => {
    const world = await World.open([album])
    fs.writeFileSync(world.place.target, 'a file')
    await world.get(album)
    await world.reach(album, 'failed')
    expect(world.downloads.failure(album.id)?.problem.code).toBe('conflict')
    expect(world.place.store.holding(album.id)).toBeUndefined()
  })

  it('a disk that fails, or a folder that is gone, after something was fetched: the next get continues it', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    await expect.poll(() => (world.node.advance(250), world.downloads.progress(album.id)?.state)).toBe('fetching')
    world.node.speak(1)
    await expect.poll(() => (world.downloads.progress(album.id)?.haveBytes ?? 0) > 0).toBe(true)
    world.node.disk = 'disk'
    world.node.speak()
    await world.reach(album, 'failed')
    expect(world.place.store.holding(album.id), 'what was fetched is not forgotten').toMatchObject({ complete: false })
    world.node.disk = 'works'
    world.node.peer = 'gives'
    await world.get(album)
    await world.reach(album, 'complete')
    expect(world.downloads.progress(album.id)?.reusedBytes).toBeGreaterThan(0)
    expect(written(world, album)).toBe(true)
  })

  it('all holders banned: it waits, says so, and continues when another one comes', async () => {
    const world = await World.open([album])
    world.node.peer = 'lies'
    await world.get(album)
    await world.reach(album, 'waiting')
    expect(world.downloads.state(album.id)).toMatchObject({ for: 'holder', problem: { code: 'integrity' } })
    await expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject({ code: 'integrity' })
  })

  it('does not end a download whose other holder is not banned', async () => {
    const world = await World.open([album])
    const other = { ...PEER, id: '22'.repeat(32) as typeof PEER.id }
    world.node.peer = 'lies'
    await world.get(album, { holders: [PEER, other] })
    await expect.poll(() => (world.node.advance(250), world.node.banned(album.id).size)).toBe(1)
    await new Promise(resolve => setTimeout(resolve, 60))
    expect(world.kind(album)).toBe('running')
  })

  it('a get to another folder takes the place of one that failed', async () => {
    const world = await World.open([album])
    putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    const folder = path.join(world.place.folder, 'other')
    await world.get(album, { folder })
    await world.reach(album, 'complete')
    expect(fs.existsSync(path.join(folder, 'album', 'big.bin'))).toBe(true)
  })

  it('at most 256 failures are remembered', { timeout: 60_000 }, async () => {
    const many = Array.from({ length: 258 }, (_, i) =>
      makeContent(`f${i}`, { [`f${i}`]: { bytes: randomBytes(`${i}`, 10) } })
    )
    const world = await World.open(many)
    for (const one of many) {
      await world.get(one, { holders: [] })
      world.place.store.refused(one.id, new ShoalError('bad-input', 'the manifest is refused'))
      await world.reach(one, 'failed')
    }
    expect(world.downloads.failures()).toHaveLength(256)
    await world.restart()
    const names = world.downloads.failures().map(([id]) => id)
    expect(names).toHaveLength(256)
    expect(names.includes(many[0]!.id) || names.includes(many[1]!.id)).toBe(false)
  })
})

describe('a download of which nobody offers anything', () => {
  const dropped = {
    code: 'not-found',
    message: 'no member that answers has big.bin, sub/small.bin: ant no longer has it'
  }

  async function standing(): Promise<World> {
    const world = await World.open([album])
    world.node.peer = 'withdrawn'
    await world.get(album)
    await expect.poll(() => (world.node.advance(250), world.downloads.progress(album.id)?.state)).toBe('fetching')
    return world
  }

  it('waits for an offer after 3 s, and status names who had what is missing at once', async () => {
    const world = await standing()
    const heard = world.hear(album.id)
    const row = (): Promise<unknown> =>
      transferRow({ ...world.place, downloads: world.downloads, view: noMembers }, album.id)
    const said = { reason: 'not-offered', problem: 'waiting for big.bin, sub/small.bin: ant no longer has it' }
    expect(await row()).toMatchObject({ state: 'fetching', ...said })
    await world.standStill(2_999)
    expect(world.kind(album)).toBe('running')
    await world.standStill(1)
    expect(world.downloads.state(album.id)).toMatchObject({ kind: 'waiting', for: 'offer', problem: dropped })
    expect(heard).toMatchObject([{ kind: 'waiting', for: 'offer', problem: dropped }])
    expect(await row()).toMatchObject({ state: 'fetching', ...said })
    expect(world.place.store.holding(album.id)).toMatchObject({ complete: false })
    expect(world.downloads.failure(album.id)).toBeUndefined()
  })

  it('ends a follower, but not one that waits for an offer; it is complete once the holder offers it again', async () => {
    const world = await standing()
    const impatient = expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject(dropped)
    const patient = follow(world.downloads, album.id, { signal, waitsForOffer: true })
    await world.standStill(3_000)
    await impatient
    const late = follow(world.downloads, album.id, { signal, waitsForOffer: true })
    await expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject(dropped)
    world.node.peer = 'gives'
    world.node.introduce(album.id)
    await world.reach(album, 'complete')
    expect([(await patient).state, (await late).state]).toEqual(['complete', 'complete'])
    expect(written(world, album)).toBe(true)
  })

  it('runs again as soon as something is offered, although nothing has arrived', async () => {
    const world = await standing()
    await world.standStill(3_000)
    expect(world.kind(album)).toBe('waiting')
    world.node.peer = 'silent'
    world.node.introduce(album.id)
    await world.standStill(500)
    expect(world.kind(album)).toBe('running')
  })

  it('is judged anew after another get', async () => {
    const world = await standing()
    await world.standStill(3_000)
    await world.get(album)
    expect(world.kind(album)).toBe('running')
    await world.standStill(2_999)
    expect(world.kind(album)).toBe('running')
    await world.standStill(1)
    expect(world.kind(album)).toBe('waiting')
  })

  it('waits for a minute when no member is known to hold it', async () => {
    const world = await World.open([album])
    await world.get(album, { holders: [] })
    await expect.poll(() => world.downloads.progress(album.id)?.state).toBe('finding')
    await world.standStill(59_999)
    expect(world.kind(album)).toBe('running')
    await world.standStill(1)
    expect(world.downloads.state(album.id)).toMatchObject({
      ...{ kind: 'waiting', for: 'offer' },
      problem: { message: `no member that answers has the list of files of ${album.id}: no member holds it` }
    })
  })

  it('can be paused, removed and continued while it waits', async () => {
    const world = await standing()
    await world.standStill(3_000)
    await world.downloads.pause(album.id)
    expect(world.kind(album)).toBe('paused')
    await world.standStill(3_000)
    expect(world.kind(album)).toBe('paused')
    await world.get(album)
    await world.standStill(3_000)
    await world.restart()
    expect(world.kind(album)).toBe('running')
    await world.downloads.remove(album.id, { deleteFiles: false })
    expect(world.kind(album)).toBeUndefined()
  })
})

describe('the monitor of shares', () => {
  it('hears of everything that the node offers, in this overlay and in the next, and of a piece that cannot be read', async () => {
    const world = await World.open([album])
    await shareIt(world, album)
    world.node.tellChanged(album.id, 3 as PieceIndex)
    await world.move()
    await world.restart()
    const offered = `offered ${album.id}`
    expect(world.monitored).toEqual([offered, `suspect ${album.id} 3`, offered, offered])
  })
})

describe('rm', () => {
  it('forgets a download that is under way, and followers hear it', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const following = expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject({
      code: 'interrupted',
      message: 'the download was removed'
    })
    await world.downloads.remove(album.id, { deleteFiles: true })
    await following
    expect(world.kind(album)).toBeUndefined()
    expect(world.place.store.holding(album.id)).toBeUndefined()
    expect(world.node.role(album.id)).toBeUndefined()
  })

  it('forgets a failure too', async () => {
    const world = await World.open([album])
    putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    await world.downloads.remove(album.id, { deleteFiles: false })
    expect(world.downloads.state(album.id)).toBeUndefined()
    await world.restart()
    expect(world.downloads.failures()).toEqual([])
  })

  it('of a share that the node offers', async () => {
    const world = await World.open([album])
    await shareIt(world, album)
    expect(world.node.role(album.id)).toBe('seed')
    await world.downloads.remove(album.id, { deleteFiles: false })
    expect(world.node.role(album.id)).toBeUndefined()
  })
})

describe('after a restart', () => {
  it('a download that was under way continues', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    await world.restart()
    expect(world.kind(album)).toBe('running')
    world.node.sources(album.id, [PEER])
    await world.reach(album, 'complete')
    expect(written(world, album)).toBe(true)
  })

  it('a paused one stays paused until get', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    await world.downloads.pause(album.id)
    await world.restart()
    expect(world.kind(album)).toBe('paused')
    expect(world.downloads.progress(album.id)).toMatchObject({ state: 'paused' })
    await world.get(album)
    await world.reach(album, 'complete')
    await world.restart()
    expect(world.node.role(album.id)).toBe('seed')
  })

  it('one that waited for room is tried again', async () => {
    const world = await World.open([album])
    world.node.disk = 'disk-full'
    await world.get(album)
    await world.reach(album, 'waiting')
    await world.restart()
    expect(world.kind(album)).toBe('running')
  })

  it('one that failed in part is not tried by itself, its reason is known, and get continues it', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    await expect.poll(() => (world.node.advance(250), world.downloads.progress(album.id)?.state)).toBe('fetching')
    await world.restart()
    putInTheWay(world, album)
    await world.restart()
    await world.reach(album, 'failed')
    await world.restart()
    expect(world.kind(album)).toBe('failed')
    expect(world.node.role(album.id)).toBeUndefined()
    expect(world.downloads.failure(album.id)).toMatchObject({ name: 'album', problem: { code: 'conflict' } })
    await world.get(album, { overwrite: true })
    await world.reach(album, 'complete')
  })

  it('a complete one is served, and one that is not to be served is not', async () => {
    const other = content('other')
    const world = await World.open([album, other])
    await world.get(album)
    await world.get(other, { serve: false })
    await world.reach(album, 'complete')
    await world.reach(other, 'complete')
    await world.restart()
    expect([world.node.role(album.id), world.node.role(other.id)]).toEqual(['seed', undefined])
  })
})

describe('another overlay', () => {
  it('gets the downloads with it, and their listeners', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const following = follow(world.downloads, album.id, { signal })
    await world.move()
    world.node.sources(album.id, [PEER])
    await world.reach(album, 'complete')
    expect(await following).toMatchObject({ state: 'complete' })
  })

  it('hears of what was commanded in between', async () => {
    const world = await World.open([album])
    world.downloads.detach()
    await world.get(album)
    await world.downloads.pause(album.id)
    await world.attach()
    expect(world.downloads.progress(album.id)).toMatchObject({ state: 'paused' })
  })
})

describe('a follower', () => {
  it('hears progress while the download runs, and its end', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const seen: string[] = []
    const following = follow(world.downloads, album.id, { signal, onProgress: ({ state }) => seen.push(state) })
    await expect.poll(() => seen.length).toBeGreaterThan(0)
    world.node.speak()
    await world.reach(album, 'complete')
    expect(await following).toMatchObject({ fetchedBytes: 320_000 })
  })

  it('that comes late hears how it ended', async () => {
    const world = await World.open([album])
    putInTheWay(world, album)
    await world.get(album)
    await world.reach(album, 'failed')
    await expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject({ code: 'conflict' })
    await world.get(album, { overwrite: true })
    await world.reach(album, 'complete')
    expect(await follow(world.downloads, album.id, { signal })).toMatchObject({ state: 'complete' })
  })

  it('that hangs up hears nothing more, and the download goes on', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const stop = new AbortController()
    const following = expect(follow(world.downloads, album.id, { signal: stop.signal })).rejects.toMatchObject({
      code: 'interrupted'
    })
    stop.abort()
    await following
    world.node.speak()
    await world.reach(album, 'complete')
  })

  it('hears that it is paused', async () => {
    const world = await World.open([album])
    world.node.peer = 'silent'
    await world.get(album)
    const following = expect(follow(world.downloads, album.id, { signal })).rejects.toMatchObject({
      code: 'interrupted',
      message: 'the download is paused'
    })
    await world.downloads.pause(album.id)
    await following
  })
})

async function shareIt(world: World, made: Made): Promise<void> {
  const top = await layOut(made, world.place.folder)
  const files = made.manifest.files.map(file => {
    const at = path.join(top, file.folder === undefined ? '' : file.folder.name, file.name)
    const stat = fs.statSync(at, { bigint: true })
    return { stamp: { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino } }
  })
  await world.place.store.adopt(top, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
  await world.downloads.offer(made.id)
}
