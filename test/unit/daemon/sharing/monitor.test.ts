/** The monitor on real files, with a clock that the test moves and an exchange that only keeps what it is told. */
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ContentId } from '../../../../src/base/ids.ts'
import { ShareMonitor, REPORTED_FILES_MAX } from '../../../../src/daemon/sharing/monitor.ts'
import { LEAF_BYTES, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { layOut, makeContent, openPlace, randomBytes, type Made, type Place } from '../../io/store/contents.ts'

const PIECE = 64 << 10
/** More than SETTLE_MS. */
const LATER_MS = 10_000

let place: Place
let monitor: ShareMonitor
let nowMs: number
/** Pieces that are withdrawn, by content. */
let gone: Map<ContentId, Set<PieceIndex>>
let logged: string[]

beforeEach(async () => {
  place = await openPlace()
  nowMs = Date.now() + LATER_MS
  gone = new Map()
  logged = []
  open()
})
afterEach(async () => {
  await monitor.close()
  await place.remove()
})

function open(): void {
  const of = (content: ContentId): Set<PieceIndex> => {
    const pieces = gone.get(content) ?? new Set<PieceIndex>()
    gone.set(content, pieces)
    return pieces
  }
  monitor = new ShareMonitor({
    store: place.store,
    wallMs: () => nowMs,
    exchange: {
      withdraw: (content, pieces) => {
        for (const piece of pieces) of(content).add(piece)
      },
      restore: (content, pieces) => {
        for (const piece of pieces) of(content).delete(piece)
      }
    },
    log: {
      warn: (_, message) => void logged.push(message),
      info: (_, message) => void logged.push(message)
    }
  })
}

const goneOf = ({ id }: Made): number[] => [...(gone.get(id) ?? [])].sort((a, b) => a - b)

/** a.bin has pieces 0 to 2, b.bin piece 3, c/d.bin pieces 4 and 5. */
function album(): Made {
  return makeContent(
    'album',
    {
      'a.bin': { bytes: randomBytes('a', 2 * PIECE + 10) },
      'b.bin': { bytes: randomBytes('b', 1_000) },
      'c/d.bin': { bytes: randomBytes('d', 2 * PIECE) }
    },
    PIECE
  )
}

/** As `shoal share` would. Returns the file or folder. */
async function share(made: Made): Promise<string> {
  const top = await layOut(made, place.folder)
  const files = made.manifest.files.map(file => {
    const names = made.manifest.singleFile ? [] : namesOf(made, file)
    const stat = fs.statSync(path.join(top, ...names), { bigint: true })
    return { stamp: { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino } }
  })
  await place.store.adopt(top, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
  monitor.offered(made.id)
  return top
}

function namesOf(made: Made, file: Made['manifest']['files'][number]): string[] {
  const at = made.manifest.files.indexOf(file)
  return [['a.bin'], ['b.bin'], ['c', 'd.bin']][at] ?? [file.name]
}

function flipByte(file: string, at: number): void {
  const bytes = fs.readFileSync(file)
  bytes[at]! ^= 1
  fs.writeFileSync(file, bytes)
}

describe('a file of a share', () => {
  it('that is deleted is withdrawn and reported, and restored when it is back', async () => {
    const made = album()
    const top = await share(made)
    await monitor.tick()
    expect([goneOf(made), await monitor.report(made.id)]).toEqual([[], undefined])
    fs.renameSync(`${top}/b.bin`, `${place.folder}/kept`)
    await monitor.tick()
    expect(goneOf(made)).toEqual([3])
    expect(await monitor.report(made.id)).toEqual({
      ...{ state: 'missing', fileCount: 1 },
      files: [{ path: 'b.bin', state: 'missing' }]
    })
    expect([0, 1, 2].map(file => monitor.stateOf(made.id, file))).toEqual(['sound', 'missing', 'sound'])
    fs.renameSync(`${place.folder}/kept`, `${top}/b.bin`)
    await monitor.tick()
    expect([goneOf(made), await monitor.report(made.id), monitor.isSound(made.id)]).toEqual([[], undefined, true])
    expect(logged).toEqual([
      'files of a share changed or are missing: they are not offered',
      'all files of a share can be read again: it is offered whole'
    ])
  })

  it('of another size is withdrawn as changed', async () => {
    const made = album()
    const top = await share(made)
    fs.appendFileSync(`${top}/a.bin`, 'x')
    await monitor.tick()
    expect(goneOf(made)).toEqual([0, 1, 2])
    expect(await monitor.report(made.id)).toMatchObject({ state: 'changed', files: [{ path: 'a.bin' }] })
  })

  it('that was touched or restored stays offered, and how it looks is recorded once it was read', async () => {
    const made = album()
    const top = await share(made)
    fs.utimesSync(`${top}/a.bin`, 5, 5)
    fs.copyFileSync(`${top}/b.bin`, `${top}/copy`)
    fs.renameSync(`${top}/copy`, `${top}/b.bin`)
    const look = async (): Promise<string[]> => {
      const looks = await place.store.inspection.look(made.id, [0, 1, 2], new AbortController().signal)
      return [...looks.values()].map(({ kind }) => kind)
    }
    expect((await look()).sort()).toEqual(['same', 'touched', 'touched'])
    await monitor.tick()
    expect([goneOf(made), await look()]).toEqual([[], ['same', 'same', 'same']])
    await place.restart()
    expect(await look()).toEqual(['same', 'same', 'same'])
  })

  it('that was written a moment ago is not recorded as right before its time is old enough', async () => {
    const made = album()
    const top = await share(made)
    const at = nowMs / 1_000
    fs.utimesSync(`${top}/b.bin`, at, at)
    const kind = async (): Promise<string | undefined> =>
      (await place.store.inspection.look(made.id, [1], new AbortController().signal)).get(1)?.kind
    await monitor.tick()
    expect([goneOf(made), await kind()]).toEqual([[], 'touched'])
    nowMs += LATER_MS
    await monitor.tick()
    expect(await kind()).toBe('same')
  })

  it('with one changed byte is served but for the piece with that byte', async () => {
    const made = album()
    const top = await share(made)
    flipByte(`${top}/a.bin`, PIECE + 5)
    await monitor.tick()
    expect([goneOf(made), (await monitor.report(made.id))?.state]).toEqual([[1], 'changed'])
    // Nothing is read again while it looks the same.
    await monitor.tick()
    expect(goneOf(made)).toEqual([1])
    flipByte(`${top}/a.bin`, PIECE + 5)
    await monitor.tick()
    expect([goneOf(made), await monitor.report(made.id)]).toEqual([[], undefined])
  })

  it('of which a read failed is looked at before all others, and restored when nothing is wrong with it', async () => {
    const made = album()
    await share(made)
    await monitor.tick()
    gone.set(made.id, new Set([1 as PieceIndex]))
    monitor.suspect(made.id, 1 as PieceIndex)
    await monitor.tick()
    expect([goneOf(made), monitor.isSound(made.id)]).toEqual([[], true])
  })

  it('that cannot be read although it looks as before is tried again after a while', async () => {
    const made = album()
    const top = await share(made)
    // The recorded size and time, and other bytes: as a disk that fails gives them.
    const write = (bytes: Uint8Array): void => {
      const fd = fs.openSync(`${top}/a.bin`, 'r+')
      fs.writeSync(fd, bytes, 0, bytes.length, PIECE)
      fs.closeSync(fd)
      fs.utimesSync(`${top}/a.bin`, 5, 5)
    }
    write(Buffer.from('other'))
    const { size, mtimeNs, ino } = fs.statSync(`${top}/a.bin`, { bigint: true })
    await place.store.inspection.refresh(made.id, new Map([[0, { size, mtimeNs, ino }]]))
    monitor.suspect(made.id, 1 as PieceIndex)
    await monitor.tick()
    expect([goneOf(made), (await monitor.report(made.id))?.state]).toEqual([[1], 'changed'])
    write(made.files[0]!.subarray(PIECE, PIECE + 5))
    await monitor.tick()
    expect(goneOf(made)).toEqual([1])
    nowMs += 61_000
    await monitor.tick()
    expect([goneOf(made), monitor.isSound(made.id)]).toEqual([[], true])
  })
})

describe('a folder that is shared', () => {
  it('is withdrawn while it is away and restored when it is back, also with other inodes', async () => {
    const made = album()
    const top = await share(made)
    await monitor.tick()
    for (const bring of ['move', 'copy']) {
      fs.renameSync(top, `${top}.away`)
      await monitor.tick()
      expect(goneOf(made)).toEqual([0, 1, 2, 3, 4, 5])
      expect(await monitor.report(made.id)).toMatchObject({ state: 'missing', fileCount: 3 })
      if (bring === 'move') fs.renameSync(`${top}.away`, top)
      else fs.cpSync(`${top}.away`, top, { recursive: true })
      await monitor.tick()
      expect([goneOf(made), await monitor.report(made.id)]).toEqual([[], undefined])
    }
  })

  it('that is empty is away, as a mount point without its drive: nothing is forgotten', async () => {
    const made = album()
    const top = await share(made)
    fs.renameSync(top, `${top}.away`)
    fs.mkdirSync(top)
    await monitor.tick()
    expect(goneOf(made)).toHaveLength(6)
    expect(place.store.holding(made.id)?.complete).toBe(true)
    fs.rmdirSync(top)
    fs.renameSync(`${top}.away`, top)
    await monitor.tick()
    expect(goneOf(made)).toEqual([])
  })

  it('comes back in part: what is there is offered', async () => {
    const made = album()
    const top = await share(made)
    fs.renameSync(top, `${top}.away`)
    await monitor.tick()
    fs.mkdirSync(top)
    fs.renameSync(`${top}.away/b.bin`, `${top}/b.bin`)
    await monitor.tick()
    expect(goneOf(made)).toEqual([0, 1, 2, 4, 5])
    expect((await monitor.report(made.id))?.fileCount).toBe(2)
  })

  it('is seen as it is now, although its old folder was open for reading', async () => {
    const made = album()
    const top = await share(made)
    const into = new Uint8Array(LEAF_BYTES)
    const range = { piece: 0 as PieceIndex, leafStart: 0, leafCount: 1 }
    expect(await place.store.read(made.id, range, into)).toEqual({ ok: true })
    fs.renameSync(top, `${top}.away`)
    await monitor.tick()
    expect(await place.store.read(made.id, range, into)).toEqual({ ok: false, reason: 'changed' })
  })

  it('with many files is looked at whole within one tick when its files vanish or come back', async () => {
    const names = Array.from({ length: 700 }, (_, i) => `f${i}`)
    const made = makeContent(
      'many',
      Object.fromEntries(names.map(name => [name, { bytes: randomBytes(name, 10) }])),
      PIECE
    )
    const top = await layOut(made, place.folder)
    const files = made.manifest.files.map(({ name }) => {
      const stat = fs.statSync(path.join(top, name), { bigint: true })
      return { stamp: { sizeBytes: 10, mtimeNs: stat.mtimeNs, inode: stat.ino } }
    })
    await place.store.adopt(top, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
    fs.mkdirSync(`${top}.away`)
    for (const name of names.slice(1)) fs.renameSync(`${top}/${name}`, `${top}.away/${name}`)
    await monitor.tick()
    expect(goneOf(made)).toHaveLength(699)
    expect((await monitor.report(made.id))?.files).toHaveLength(REPORTED_FILES_MAX)
    for (const name of names.slice(1)) fs.renameSync(`${top}.away/${name}`, `${top}/${name}`)
    await monitor.tick()
    expect(goneOf(made)).toEqual([])
  })
})

describe('what was known of a share', () => {
  it('is void when it is offered anew or removed', async () => {
    const made = album()
    const top = await share(made)
    fs.rmSync(`${top}/b.bin`)
    await monitor.tick()
    expect(monitor.isSound(made.id)).toBe(false)
    monitor.offered(made.id)
    expect(monitor.isSound(made.id)).toBe(true)
    await monitor.tick()
    expect(monitor.isSound(made.id)).toBe(false)
    await place.store.remove(made.id, { deleteFiles: false })
    await monitor.tick()
    expect(monitor.isSound(made.id)).toBe(true)
  })

  it('is not looked at any more once the monitor is closed', async () => {
    const made = album()
    const top = await share(made)
    await monitor.close()
    fs.rmSync(`${top}/b.bin`)
    await monitor.tick()
    expect(goneOf(made)).toEqual([])
  })
})
