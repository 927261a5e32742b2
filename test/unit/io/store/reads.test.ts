/** Local reads: leaves that are here, leaves to wait for, wrong bytes that are never returned. */
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Arrivals } from '../../../../src/io/store/arrivals.ts'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { LEAF_BYTES, type LeafRange, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import {
  bytesOf,
  makeContent,
  openPlace,
  randomBytes,
  startDownload,
  writePieces,
  type Made,
  type Place
} from './contents.ts'

const PIECE = 64 << 10
const range = (piece: number, leafStart: number, leafCount: number): LeafRange => ({
  ...{ piece: piece as PieceIndex, leafStart, leafCount }
})

let place: Place
beforeEach(async () => {
  place = await openPlace()
})
afterEach(async () => {
  await place.remove()
})

const album = (): Made =>
  makeContent(
    'album',
    { 'film.bin': { bytes: randomBytes('film', 4 * PIECE + 100) }, 'left out': { bytes: randomBytes('x', 10) } },
    PIECE
  )

async function prepared(made: Made): Promise<void> {
  await startDownload(place, made, { include: ['*.bin'] })
  const result = await place.store.prepare(made.id, undefined)
  expect(result.ok).toBe(true)
}

async function read(made: Made, of: LeafRange): Promise<Uint8Array | string> {
  const into = new Uint8Array(made.layout.rangeBytes(of))
  const result = await place.store.reads.read(made.id, of, into)
  return result.ok ? into : result.reason
}

describe('reads of an unfinished content', () => {
  it('return written leaves with the right bytes', async () => {
    const made = album()
    await prepared(made)
    const { reads } = place.store
    await writePieces(place, made, [1, 4])
    expect(await Promise.all([0, 1, 2].map(file => reads.state(made.id, file)))).toEqual([
      'arriving',
      'excluded',
      'absent'
    ])
    expect(await reads.here(made.id, range(0, 0, 4))).toBe(0)
    expect(await reads.here(made.id, range(1, 1, 3))).toBe(3)
    expect(await read(made, range(1, 1, 3))).toEqual(bytesOf(made, 1, 1, 3))
    expect(await read(made, range(4, 0, 1))).toEqual(bytesOf(made, 4))
  })

  it('count the leading leaves that are here', async () => {
    const made = album()
    await prepared(made)
    await writePieces(place, made, [2])
    const { store } = place
    await store.write(made.id, { piece: 3 as PieceIndex, leafStart: 1 }, bytesOf(made, 3, 1, 1))
    expect(await store.reads.here(made.id, range(3, 0, 4))).toBe(0)
    expect(await store.reads.here(made.id, range(3, 1, 3))).toBe(1)
  })

  it('never return bytes that another program wrote', async () => {
    const made = album()
    await prepared(made)
    await writePieces(place, made, [0])
    const handle = fs.openSync(path.join(place.target, 'album', 'film.bin.part'), 'r+')
    fs.writeSync(handle, Buffer.from('!'), 0, 1, LEAF_BYTES + 7)
    fs.closeSync(handle)
    expect(await read(made, range(0, 0, 1))).toEqual(bytesOf(made, 0, 0, 1))
    expect(await read(made, range(0, 1, 1))).toBe('changed')
    expect(await read(made, range(0, 0, 4))).toBe('changed')
  })

  it('wait for leaves that are not here', async () => {
    const made = album()
    await prepared(made)
    const { reads } = place.store
    const { signal } = new AbortController()
    let came = false
    const waiting = reads.arrival(made.id, range(3, 2, 1), signal).then(() => (came = true))
    await writePieces(place, made, [0, 1, 2])
    expect(came).toBe(false)
    await writePieces(place, made, [3])
    await waiting
    expect(await reads.here(made.id, range(3, 2, 1))).toBe(1)
  })

  it('stop waiting when the content is closed and when the signal aborts', async () => {
    const made = album()
    await prepared(made)
    const { reads } = place.store
    const hangUp = new AbortController()
    const waits = [
      reads.arrival(made.id, range(0, 0, 1), hangUp.signal),
      reads.arrival(made.id, range(1, 0, 1), hangUp.signal)
    ]
    hangUp.abort()
    await Promise.all(waits)
    const waiting = reads.arrival(made.id, range(0, 0, 1), new AbortController().signal)
    // In a later turn: the wait looks up the content first.
    await new Promise(resolve => setImmediate(resolve))
    place.store.close(made.id)
    await waiting
    expect(await reads.here(made.id, range(0, 0, 1))).toBe(0)
  })

  it('continue in the finished file, and detect when it changes', async () => {
    const made = album()
    await prepared(made)
    await writePieces(place, made, [0, 1, 2, 3, 4])
    await place.store.sync(made.id)
    expect((await place.store.finish(made.id)).ok).toBe(true)
    expect(await place.store.reads.state(made.id, 0)).toBe('here')
    expect(await place.store.reads.state(made.id, 1)).toBe('excluded')
    expect(await read(made, range(2, 0, 4))).toEqual(bytesOf(made, 2))
    await place.restart()
    expect(await place.store.reads.here(made.id, range(2, 0, 4))).toBe(4)
    expect(await read(made, range(2, 0, 4))).toEqual(bytesOf(made, 2))
    fs.appendFileSync(path.join(place.target, 'album', 'film.bin'), 'more')
    expect(await read(made, range(2, 0, 4))).toBe('changed')
  })
})

it('reads of a content that is not held find no leaf', async () => {
  const made = album()
  expect(await place.store.reads.state(made.id, 0)).toBe('absent')
  expect(await place.store.reads.here(made.id, range(0, 0, 1))).toBe(0)
  expect(await read(made, range(0, 0, 1))).toBe('changed')
})

describe('arrivals', () => {
  it('wake the waiters of that leaf, and keep no waiter', async () => {
    const arrivals = new Arrivals(new Bitfield(10))
    const hangUp = new AbortController()
    const waits = [3, 3, 4].map(leaf => arrivals.wait(leaf, hangUp.signal))
    expect(arrivals.waiters).toBe(3)
    arrivals.add(2, 2)
    expect(arrivals.waiters).toBe(1)
    hangUp.abort()
    await Promise.all(waits)
    expect(arrivals.waiters).toBe(0)
    arrivals.end()
    await arrivals.wait(9, new AbortController().signal)
    expect([arrivals.has(2), arrivals.has(3), arrivals.has(4)]).toEqual([true, true, false])
  })
})
