/** Sharing a path, with a real store in a temporary home: what others are offered, and what a failure leaves. */
import fs from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { ContentId } from '../../../../src/base/ids.ts'
import { shareHandler } from '../../../../src/daemon/control/handlers/share.ts'
import type { Call } from '../../../../src/daemon/control/server.ts'
import { publish, type PublishParts, type SharedRow } from '../../../../src/daemon/sharing/publish.ts'
import { ShareJobs, type ShareRequest } from '../../../../src/daemon/sharing/share-jobs.ts'
import { FolderLeafStore } from '../../../../src/io/share/leaf-store.ts'
import { StateDb } from '../../../../src/io/state/db.ts'
import { ContentStore } from '../../../../src/io/store/store.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import type { EventOf, Params, ResultOf } from '../../../../src/wire/control/methods.ts'
import { temporaryFolder } from '../temporary.ts'

const log = pino({ level: 'silent' })
const ID = '0123456789abcdef'.repeat(4) as ContentId

interface Node {
  readonly home: string
  /** Where files to share are. */
  readonly folder: string
  readonly store: ContentStore
  readonly parts: PublishParts
  /** `offer ID` and `remove ID`, in order. */
  readonly acts: string[]
}

async function node(): Promise<Node> {
  const base = temporaryFolder()
  const [home, folder] = [path.join(base, 'home'), path.join(base, 'files')]
  for (const one of [home, folder]) fs.mkdirSync(one)
  const db = StateDb.open(path.join(home, 'state.db'))
  onTestFinished(() => db.close())
  const leaves = await FolderLeafStore.open(path.join(home, 'leaf-hashes'))
  const store = await ContentStore.open({ home, db, shared: leaves })
  onTestFinished(() => store.closeAll())
  const acts: string[] = []
  const parts: PublishParts = {
    ...{ log, db, store, leaves, home: () => home },
    offer: async content => void acts.push(`offer ${content}`),
    remove: async content => {
      acts.push(`remove ${content}`)
      await store.remove(content, { deleteFiles: false })
    }
  }
  return { home, folder, store, parts, acts }
}

function share(
  { parts }: Pick<Node, 'parts'>,
  target: string,
  request: Partial<ShareRequest> = {},
  commit: () => void = () => undefined
): Promise<SharedRow> {
  return publish(
    parts,
    { target, unlisted: undefined, strict: false, ...request },
    { signal: new AbortController().signal, onProgress: () => undefined, commit }
  )
}

function put(file: string, text: string): string {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
  return file
}

/** The paths of what is shared. */
const shared = ({ store }: Node): Array<string | undefined> =>
  store.holdings().map(({ content }) => store.pathOf(content))

describe('a path that is shared', () => {
  it('is recorded and offered', async () => {
    const one = await node()
    const album = path.join(one.folder, 'album')
    put(path.join(album, 'a.txt'), 'a')
    fs.symlinkSync('a.txt', path.join(album, 'link'))
    const row = await share(one, album)
    expect(row).toMatchObject({ name: 'album', bytes: 1, files: 1, filesHashed: 1, filesReused: 0 })
    expect(row.skipped).toMatchObject({ symlinks: 1, unreadable: 0 })
    expect([shared(one), one.acts]).toEqual([[album], [`offer ${row.id}`]])
  })

  it('replaces its previous version only when the new one is recorded and offered', async () => {
    const one = await node()
    const file = put(path.join(one.folder, 'a.txt'), 'one')
    const first = await share(one, file)
    put(file, 'two')
    const second = await share(one, file, {}, () => expect(one.acts).toEqual([`offer ${first.id}`]))
    expect(one.acts).toEqual([`offer ${first.id}`, `offer ${second.id}`, `remove ${first.id}`])
    expect(one.store.holdings().map(({ content }) => content)).toEqual([second.id])
  })

  it.each(['1601-01-01', '1850-06-01', '2400-01-01'])('may hold a file of %s, and is read', async date => {
    const one = await node()
    const file = put(path.join(one.folder, 'album/odd.txt'), 'odd')
    fs.utimesSync(file, new Date(date), new Date(date))
    const row = await share(one, path.join(one.folder, 'album'))
    const into = new Uint8Array(3)
    const range = { piece: 0 as PieceIndex, leafStart: 0, leafCount: 1 }
    expect(await one.store.read(row.id as ContentId, range, into)).toEqual({ ok: true })
    expect(Buffer.from(into).toString()).toBe('odd')
  })

  it('stays unlisted when it is shared again, until it is listed', async () => {
    const one = await node()
    const file = put(path.join(one.folder, 'a.txt'), 'one')
    expect(await share(one, file, { unlisted: true })).toMatchObject({ unlisted: true })
    put(file, 'two')
    expect(await share(one, file)).toMatchObject({ unlisted: true })
    expect(await share(one, file, { unlisted: false })).not.toHaveProperty('unlisted')
  })

  it('is no home, no folder of a home and nothing inside of one', async () => {
    const one = await node()
    put(path.join(one.home, 'log/x'), 'x')
    for (const target of [one.home, path.dirname(one.home), path.join(one.home, 'log')])
      await expect(share(one, target)).rejects.toMatchObject({ code: 'bad-input' })
    await expect(share(one, 'relative')).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('a share again that fails', () => {
  const failures: Array<[string, (one: Node, file: string) => Promise<unknown>, string]> = [
    [
      'because the path is gone',
      async (one, file) => {
        fs.rmSync(file)
        return share(one, file)
      },
      'not-found'
    ],
    [
      'when it is cancelled',
      (one, file) =>
        share(one, file, {}, () => {
          throw new ShoalError('interrupted', 'cancelled')
        }),
      'interrupted'
    ],
    [
      'because the store does not take it',
      (one, file) => share({ parts: { ...one.parts, store: refusing(one.store, systemError('ENOSPC')) } }, file),
      'disk-full'
    ],
    [
      'because the store has a fault',
      (one, file) => share({ parts: { ...one.parts, store: refusing(one.store, new RangeError('x')) } }, file),
      'internal'
    ],
    [
      'because it cannot be offered',
      (one, file) => share({ parts: { ...one.parts, offer: refuse } }, file),
      'unreachable'
    ]
  ]
  it.each(failures)('%s leaves what was shared before', async (_why, fail, code) => {
    const one = await node()
    const file = put(path.join(one.folder, 'a.txt'), 'one')
    const { id } = await share(one, file)
    put(file, 'two')
    await expect(fail(one, file)).rejects.toMatchObject({ code })
    expect(one.store.holding(id as ContentId)).toMatchObject({ complete: true })
    expect(one.acts).toEqual([`offer ${id}`])
  })

  it('leaves the mark of the new version as it was', async () => {
    const one = await node()
    const file = put(path.join(one.folder, 'a.txt'), 'one')
    const id = (await share(one, file)).id as ContentId
    const parts = { ...one.parts, store: refusing(one.store, systemError('ENOSPC')) }
    await expect(share({ parts }, file, { unlisted: true })).rejects.toMatchObject({ code: 'disk-full' })
    expect(one.store.isUnlisted(id)).toBe(false)
  })

  it('strictly, because a name cannot be shared, leaves what was shared before', async () => {
    const one = await node()
    const album = path.join(one.folder, 'album')
    put(path.join(album, 'a.txt'), 'one')
    const { id } = await share(one, album, { strict: true })
    fs.writeFileSync(Buffer.concat([Buffer.from(`${album}/caf`), Buffer.of(0xe9)]), 'latin1')
    await expect(share(one, album, { strict: true })).rejects.toMatchObject({ code: 'bad-input' })
    expect(one.store.holding(id as ContentId)).toMatchObject({ complete: true })
    expect((await share(one, album)).skipped).toMatchObject({ names: 1 })
  })

  it('only to remove the previous version is no failure', async () => {
    const one = await node()
    const file = put(path.join(one.folder, 'a.txt'), 'one')
    await share(one, file)
    put(file, 'two')
    const { id } = await share({ parts: { ...one.parts, remove: refuse } }, file)
    expect(one.store.holding(id as ContentId)).toMatchObject({ complete: true })
    put(file, 'three')
    await share(one, file)
    expect(one.store.holdings()).toHaveLength(1)
  })
})

describe('the method share', () => {
  interface Asked {
    ask: (params: Params<'share'>, call?: Partial<Call<'share'>>) => Promise<ResultOf<'share'>>
    jobs: ShareJobs<SharedRow>
  }
  const asked = ({ parts }: Node): Asked => {
    const jobs = new ShareJobs({ work: (request, work) => publish(parts, request, work), onUnheard: () => undefined })
    const handler = shareHandler({ sharing: jobs, indexing: { settled: () => Promise.resolve() }, log })
    const signal = new AbortController().signal
    return { jobs, ask: (params, call = {}) => handler(params, { signal, emit: () => undefined, ...call }) }
  }

  it('shares the other paths when one fails, in the order of the paths', async () => {
    const one = await node()
    const paths = ['b', 'missing', 'a'].map(name => path.join(one.folder, name))
    for (const at of [0, 2]) put(paths[at]!, `text ${at}`)
    const { shares, failed } = await asked(one).ask({ paths })
    expect(shares.map(({ name }) => name)).toEqual(['b', 'a'])
    expect(failed).toEqual([
      { path: paths[1], code: 'not-found', message: `there is no ${JSON.stringify(paths[1])}`, hint: 'Check the path.' }
    ])
    expect(one.store.holdings()).toHaveLength(2)
  })

  it('fails with the error of its only path, and without paths', async () => {
    const one = await node()
    const { ask } = asked(one)
    await expect(ask({ paths: [path.join(one.folder, 'missing')] })).rejects.toMatchObject({ code: 'not-found' })
    await expect(ask({ paths: [] })).rejects.toMatchObject({ code: 'usage' })
  })

  it('shares all paths although the client hangs up', async () => {
    const one = await node()
    const paths = Array.from({ length: 6 }, (_, at) => put(path.join(one.folder, `f${at}`), `text ${at}`))
    const { ask, jobs } = asked(one)
    const client = new AbortController()
    const asking = ask({ paths }, { signal: client.signal })
    client.abort()
    await expect(asking).rejects.toMatchObject({ code: 'interrupted' })
    expect(jobs.rows()).toHaveLength(6)
    await expect.poll(() => jobs.rows().length, { timeout: 10_000 }).toBe(0)
    expect(shared(one).toSorted()).toEqual(paths)
  })

  it('cancels shares by their paths, and they leave nothing', async () => {
    const one = await node()
    const paths = Array.from({ length: 4 }, (_, at) => put(path.join(one.folder, `f${at}`), `text ${at}`))
    const { ask } = asked(one)
    const asking = ask({ paths })
    expect(await ask({ paths: [...paths, '/other'], cancel: true })).toEqual({ shares: [], cancelled: 4 })
    const { shares, failed = [] } = await asking
    expect([shares, failed.map(({ code }) => code)]).toEqual([[], Array(4).fill('interrupted')])
    expect([one.store.holdings(), one.acts]).toEqual([[], []])
  })

  it('streams progress', async () => {
    const one = await node()
    const file = put(path.join(one.folder, 'a'), 'text')
    const events: Array<EventOf<'share'>> = []
    await asked(one).ask({ paths: [file] }, { emit: event => events.push(event) })
    expect(events[0]).toEqual({ event: 'hashing', path: file, files: 0, bytes: 4, totalBytes: 4 })
  })
})

const refuse = (): Promise<never> => Promise.reject(new ShoalError('unreachable', `not ${ID}`))

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A store that takes no more shares. */
function refusing(store: ContentStore, error: Error): PublishParts['store'] {
  return {
    adopt: () => Promise.reject(error),
    holdings: () => store.holdings(),
    holding: content => store.holding(content),
    isUnlisted: content => store.isUnlisted(content),
    pathOf: content => store.pathOf(content),
    setUnlisted: (content, unlisted) => store.setUnlisted(content, unlisted)
  }
}
