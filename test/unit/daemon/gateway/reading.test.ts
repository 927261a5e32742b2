/** A reader of a file that is being fetched: what wakes it, and what ends it. Nothing is polled. */
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { Services } from '../../../../src/daemon/control/services.ts'
import { Reading } from '../../../../src/daemon/gateway/reading.ts'
import { makeContent, randomBytes } from '../../io/store/contents.ts'
import { World } from '../downloads/world.ts'

const film = makeContent('film.bin', { 'film.bin': { bytes: randomBytes('film', 600_000) } })
const signal = new AbortController().signal

function servicesOf(world: World): Services {
  const { store } = world.place
  return { store, downloads: world.downloads, runtime: () => world.node } as unknown as Services
}

/** Reads the whole file. */
async function read(world: World, deadlineMs = 5_000): Promise<Buffer> {
  const of = { content: film.id, file: 0, layout: film.layout }
  const chunks: Buffer[] = []
  const reading = new Reading(servicesOf(world), of, { deadlineMs })
  for await (const chunk of reading.bytes({ start: 0, end: 600_000 }, signal)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** A download whose peer is silent, in a folder below that of the test, and a reader that waits for its first byte. */
async function waiting(folder = 'target'): Promise<{ world: World; end: Promise<unknown> }> {
  const world = await World.open([film])
  world.node.peer = 'silent'
  await world.get(film, { folder: path.join(world.place.folder, folder) })
  await expect.poll(() => (world.node.advance(250), world.downloads.progress(film.id)?.state)).toBe('fetching')
  const end = read(world).then(
    bytes => bytes.equals(film.files[0]!),
    (error: unknown) => (error instanceof ShoalError ? `${error.code}: ${error.message}` : error)
  )
  await world.node.idle()
  return { world, end }
}

describe('a reader of a file that is being fetched', () => {
  it('gets the bytes as they arrive', async () => {
    const { world, end } = await waiting()
    world.node.speak()
    await world.reach(film, 'complete')
    expect(await end).toBe(true)
  })

  it('that comes before the target is prepared waits for it', async () => {
    const world = await World.open([film])
    await world.get(film, { holders: [] })
    await world.place.store.putManifest(film.id, film.info, film.layers)
    const reading = read(world)
    await world.get(film)
    await world.reach(film, 'complete')
    expect((await reading).equals(film.files[0]!)).toBe(true)
  })

  it('ends when the download is paused', async () => {
    const { world, end } = await waiting()
    await world.downloads.pause(film.id)
    expect(await end).toBe(`conflict: the download of ${film.id} is paused`)
  })

  it('ends with the reason when the download fails', async () => {
    const { world, end } = await waiting()
    world.node.disk = 'disk'
    world.node.speak()
    expect(await end).toBe(`permission: ${film.id} cannot be written`)
  })

  it('ends when the disk is full', async () => {
    const { world, end } = await waiting()
    world.node.disk = 'disk-full'
    world.node.speak()
    expect(await end).toMatch(/^conflict: the download of .* is paused: no room left for /)
  })

  it('ends with who had what is missing when no member offers it any more', async () => {
    const { world, end } = await waiting()
    world.node.peer = 'withdrawn'
    world.node.introduce(film.id)
    world.node.refuseRequests()
    await world.node.idle()
    await world.standStill(3_000)
    expect(await end).toBe('not-found: no member that answers has film.bin: ant no longer has it')
  })

  it('ends when the download is removed', async () => {
    const { world, end } = await waiting()
    await world.downloads.remove(film.id, { deleteFiles: true })
    expect(await end).toMatch(/^not-found: /)
  })

  it('reads on when a get takes over what was fetched only to be read', async () => {
    const { world, end } = await waiting('passing')
    world.node.peer = 'gives'
    await world.get(film, { discard: true })
    await world.reach(film, 'complete')
    expect(await end).toBe(true)
  })

  it('ends in time when nothing arrives', async () => {
    const { world } = await waiting()
    await expect(read(world, 50)).rejects.toMatchObject({ code: 'timeout' })
  })
})
