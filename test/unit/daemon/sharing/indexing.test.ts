/** The index follows the store, with a real index and a real store. */
import path from 'node:path'
import fs from 'node:fs'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { utf8 } from '../../../../src/base/bytes.ts'
import { Indexing } from '../../../../src/daemon/sharing/indexing.ts'
import type { Summary } from '../../../../src/io/index/index.ts'
import { layOut, makeContent, openPlace, startDownload, type Made, type Place } from '../../io/store/contents.ts'

const log = pino({ level: 'silent' })
const WAIT = { timeout: 10_000 }

async function opened(place: Place): Promise<Indexing> {
  const indexing = await Indexing.open({ path: path.join(place.home, 'index.db'), store: place.store, log })
  onTestFinished(async () => indexing.close())
  return indexing
}

async function place(): Promise<Place> {
  const one = await openPlace()
  onTestFinished(async () => one.remove())
  return one
}

/** Names of shares, and paths inside them, that the index finds. */
async function found(indexing: Indexing, text: string): Promise<string[]> {
  await indexing.settled()
  const filter = { type: undefined, minBytes: undefined, maxBytes: undefined }
  const results = await indexing.index.match({ text, content: undefined, filter }, 100)
  return results.map(({ name, path: inside }) => (inside === undefined ? name : `${name}/${inside}`)).toSorted()
}

const bytes = (text: string): { bytes: Uint8Array } => ({ bytes: utf8(text) })
const album = (name = 'Holiday Photos'): Made =>
  makeContent(name, { 'beach.jpg': bytes('beach'), 'more/Ćevapčići.txt': bytes('recipe'), 'none/': null })

async function adopt({ store, folder }: Place, made: Made): Promise<void> {
  const top = await layOut(made, folder)
  const files = made.manifest.files.map(() => ({ stamp: { sizeBytes: 1, mtimeNs: 1n, inode: 1n } }))
  await store.adopt(top, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
}

it('has what is shared, and its files, until it is removed', async () => {
  const here = await place()
  const indexing = await opened(here)
  const made = album()
  expect(await found(indexing, 'beach')).toEqual([])
  await adopt(here, made)
  expect(await found(indexing, 'holi')).toContain('Holiday Photos')
  expect(await found(indexing, 'beach')).toEqual(['Holiday Photos/beach.jpg'])
  expect(await found(indexing, 'cevap')).toEqual(['Holiday Photos/more/Ćevapčići.txt'])
  await here.store.remove(made.id, { deleteFiles: false })
  expect(await found(indexing, 'beach')).toEqual([])
})

it('has a content of one file once', async () => {
  const here = await place()
  const indexing = await opened(here)
  await adopt(here, makeContent('debian.iso', { 'debian.iso': bytes('x') }))
  expect(await found(indexing, 'debian')).toEqual(['debian.iso'])
})

it('has nothing of what is unlisted, and again when it is listed', async () => {
  const here = await place()
  const indexing = await opened(here)
  const made = album()
  await here.store.setUnlisted(made.id, true)
  await adopt(here, made)
  expect(await found(indexing, 'beach')).toEqual([])
  await here.store.setUnlisted(made.id, false)
  expect(await found(indexing, 'beach')).toHaveLength(1)
  await here.store.setUnlisted(made.id, true)
  expect(await found(indexing, 'beach')).toEqual([])
})

it('has of a download what is wanted of it, once its manifest is here, unless it is not served', async () => {
  const here = await place()
  const indexing = await opened(here)
  const made = album()
  const order = { content: made.id, folder: here.target, include: ['*.txt'], overwrite: false, serve: true }
  await here.store.addDownload(order)
  expect(await found(indexing, 'cevap')).toEqual([])
  await here.store.putManifest(made.id, made.info, made.layers)
  expect([await found(indexing, 'cevap'), await found(indexing, 'beach')]).toMatchObject([{ length: 1 }, []])
  await here.store.addDownload({ ...order, include: [] })
  expect(await found(indexing, 'beach')).toHaveLength(1)
  await here.store.addDownload({ ...order, serve: false })
  expect([await found(indexing, 'cevap'), await found(indexing, 'beach')]).toEqual([[], []])
})

it('never has what was said to be unlisted by who gave its manifest', async () => {
  const here = await place()
  const indexing = await opened(here)
  const made = album()
  await here.store.addDownload({ content: made.id, folder: here.target, include: [], overwrite: false, serve: true })
  await here.store.putManifest(made.id, made.info, made.layers, { unlisted: true })
  expect(await found(indexing, 'beach')).toEqual([])
})

it('makes up at the start for what it missed', async () => {
  const here = await place()
  const [kept, gone, hidden, came] = [album('kept'), album('gone'), album('hidden'), album('came')]
  const before = await opened(here)
  for (const made of [kept, gone, hidden]) await adopt(here, made)
  expect(await found(before, 'beach')).toHaveLength(3)
  await before.close()
  await here.store.remove(gone.id, { deleteFiles: false })
  await here.store.setUnlisted(hidden.id, true)
  await startDownload(here, came)
  await here.restart()
  expect(await found(await opened(here), 'beach')).toEqual(['came/beach.jpg', 'kept/beach.jpg'])
})

it('begins anew when its file is no index', async () => {
  const here = await place()
  await adopt(here, album())
  fs.writeFileSync(path.join(here.home, 'index.db'), 'no index at all'.repeat(1_000))
  expect(await found(await opened(here), 'beach')).toHaveLength(1)
})

it('tells what it has at the start and after each change, to the last who asked', async () => {
  const here = await place()
  const indexing = await opened(here)
  await adopt(here, album())
  const told: Array<[string, number, boolean]> = []
  const tell =
    (name: string) =>
    ({ files, table }: Summary): void => {
      told.push([name, files, table.has('beach')])
    }
  const last = (): unknown => told.at(-1)
  indexing.tellTo(tell('first'))
  await vi.waitFor(() => expect(last()).toEqual(['first', 2, true]), WAIT)
  indexing.tellTo(tell('second'))
  expect(last()).toEqual(['second', 2, true])
  await here.store.remove(album().id, { deleteFiles: false })
  await vi.waitFor(() => expect(last()).toEqual(['second', 0, false]), WAIT)
  expect(told.filter(([name]) => name === 'second')).toHaveLength(2)
})
