import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import {
  HASHING_MAX,
  SHARE_JOBS_MAX,
  ShareJobs,
  type Follower,
  type ShareRequest,
  type Work
} from '../../../../src/daemon/sharing/share-jobs.ts'

interface Started {
  request: ShareRequest
  work: Work
  finish: (id: string) => void
  fail: (error: Error) => void
}

/** Jobs whose work ends when the test says so, or with the reason of its signal. */
function bench(): {
  jobs: ShareJobs<string>
  started: Started[]
  unheard: Array<[string, unknown]>
  targets: () => string[]
} {
  const started: Started[] = []
  const unheard: Array<[string, unknown]> = []
  const jobs = new ShareJobs<string>({
    work: (request, work) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      work.signal.addEventListener('abort', () => reject(work.signal.reason as Error))
      started.push({ request, work, finish: resolve, fail: reject })
      return promise
    },
    onUnheard: ({ target }, error) => unheard.push([target, error])
  })
  return { jobs, started, unheard, targets: () => started.map(({ request }) => request.target) }
}

const of = (target: string, more: Partial<ShareRequest> = {}): ShareRequest => ({
  ...{ target, unlisted: undefined, strict: false },
  ...more
})
const follower = (
  signal = new AbortController().signal,
  onProgress: Follower['onProgress'] = () => undefined
): Follower => ({
  signal,
  onProgress
})
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a share that is being made', () => {
  it('goes on when its client hangs up, and reports its end to nobody', async () => {
    const { jobs, started, unheard } = bench()
    const client = new AbortController()
    const following = jobs.follow(of('/a'), follower(client.signal))
    client.abort()
    await expect(following).rejects.toMatchObject({ code: 'interrupted' })
    expect(started[0]?.work.signal.aborted).toBe(false)
    expect(jobs.rows()).toMatchObject([{ path: '/a', state: 'hashing' }])
    started[0]?.finish('id')
    await settled()
    expect([jobs.rows(), unheard]).toEqual([[], [['/a', undefined]]])
  })

  it('is started also for a client that is gone already', async () => {
    const { jobs, targets } = bench()
    await expect(jobs.follow(of('/a'), follower(AbortSignal.abort()))).rejects.toMatchObject({ code: 'interrupted' })
    expect(targets()).toEqual(['/a'])
  })

  it('is joined by a second request, and both hear of its progress and its end', async () => {
    const { jobs, started, unheard } = bench()
    const heard: number[][] = [[], []]
    const both = heard.map(list =>
      jobs.follow(
        of('/a'),
        follower(undefined, ({ bytes }) => list.push(bytes))
      )
    )
    expect(started).toHaveLength(1)
    started[0]?.work.onProgress({ files: 1, bytes: 5, totalBytes: 9 })
    expect(jobs.rows()).toEqual([{ path: '/a', state: 'hashing', files: 1, bytes: 5, totalBytes: 9 }])
    started[0]?.finish('id')
    expect([await Promise.all(both), heard, unheard]).toEqual([['id', 'id'], [[5], [5]], []])
  })

  it('fails for all who follow it', async () => {
    const { jobs, started } = bench()
    const both = [jobs.follow(of('/a'), follower()), jobs.follow(of('/a'), follower())]
    started[0]?.fail(new ShoalError('permission', 'no'))
    for (const one of both) await expect(one).rejects.toMatchObject({ code: 'permission' })
    expect(jobs.rows()).toEqual([])
  })

  it('is not joined with other options: that share of the path waits for it', async () => {
    const { jobs, started, targets } = bench()
    const first = jobs.follow(of('/a'), follower())
    const second = jobs.follow(of('/a', { unlisted: true }), follower())
    const third = jobs.follow(of('/b'), follower())
    expect(targets()).toEqual(['/a', '/b'])
    started[0]?.finish('1')
    await first
    await settled()
    expect(started[2]?.request).toEqual(of('/a', { unlisted: true }))
    for (const one of started) one.finish('x')
    expect(await Promise.all([second, third])).toEqual(['x', 'x'])
  })

  it('waits while others are hashed, in the order of the requests', async () => {
    const { jobs, started, targets } = bench()
    const paths = Array.from({ length: HASHING_MAX + 2 }, (_, at) => `/${at}`)
    const all = paths.map(path => jobs.follow(of(path), follower()))
    expect(targets()).toEqual(paths.slice(0, HASHING_MAX))
    expect(jobs.rows().map(({ state }) => state)).toEqual([
      ...Array.from({ length: HASHING_MAX }, () => 'hashing'),
      'queued',
      'queued'
    ])
    for (let at = 0; at < paths.length; at++) {
      started[at]?.finish(`id ${at}`)
      await settled()
    }
    expect(targets()).toEqual(paths)
    expect(await Promise.all(all)).toEqual(paths.map((_, at) => `id ${at}`))
  })

  it('is refused when there are too many', async () => {
    const { jobs } = bench()
    for (let at = 0; at < SHARE_JOBS_MAX; at++) jobs.follow(of(`/${at}`), follower()).catch(() => undefined)
    await expect(jobs.follow(of('/more'), follower())).rejects.toMatchObject({ code: 'busy' })
    await jobs.close()
  })
})

describe('a share that is cancelled', () => {
  it('ends whether it is hashed or waits, for all who follow it', async () => {
    const { jobs, started, targets } = bench()
    const all = ['/a', '/b', '/c', '/c'].map(path => jobs.follow(of(path), follower()))
    expect([jobs.cancel('/a'), jobs.cancel('/c'), jobs.cancel('/d')]).toEqual([1, 1, 0])
    for (const at of [0, 2, 3]) await expect(all[at]).rejects.toMatchObject({ code: 'interrupted' })
    await settled()
    expect(targets()).toEqual(['/a', '/b'])
    started[1]?.finish('id')
    expect(await all[1]).toBe('id')
  })

  it('is not, once it changes what is shared', async () => {
    const { jobs, started } = bench()
    const following = jobs.follow(of('/a'), follower())
    started[0]?.work.commit()
    expect(jobs.cancel('/a')).toBe(0)
    started[0]?.finish('id')
    expect(await following).toBe('id')
  })

  it('does not begin to change what is shared', async () => {
    const { jobs, started } = bench()
    const following = jobs.follow(of('/a'), follower())
    jobs.cancel('/a')
    expect(() => started[0]?.work.commit()).toThrow('cancelled')
    await expect(following).rejects.toThrow('cancelled')
  })
})

describe('when the daemon stops', () => {
  it('all shares end but the one that changes what is shared, which is waited for', async () => {
    const { jobs, started } = bench()
    const all = ['/a', '/b', '/c'].map(path => jobs.follow(of(path), follower()))
    started[0]?.work.commit()
    const closed = { is: false }
    const closing = jobs.close().then(() => (closed.is = true))
    for (const at of [1, 2]) await expect(all[at]).rejects.toThrow('the daemon stops')
    await settled()
    expect(closed.is).toBe(false)
    started[0]?.finish('id')
    await closing
    expect(await all[0]).toBe('id')
    await expect(jobs.follow(of('/d'), follower())).rejects.toThrow('the daemon stops')
  })
})
