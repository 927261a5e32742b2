/** The life of a daemon with sessions that are only numbers: orders of events drawn from a seed, and each case by hand. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/base/assert.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { Random } from '../../../src/base/random.ts'
import { CHANGES_MAX, Life, StoppingError, WAITING_CALLS_MAX, type Move } from '../../../src/daemon/life.ts'

const never = new AbortController().signal
const codeOf = (error: unknown): string => (error instanceof ShoalError ? error.code : String(error))

/** Opens and closes numbered sessions, and notices when two are open at once. */
class Sessions {
  readonly open = new Set<number>()
  readonly lost: unknown[] = []
  readonly backs: string[] = []
  mostOpen = 0
  private last = 0
  readonly life = new Life<number>({
    onLost: problem => this.lost.push(problem),
    onBack: (_, note) => this.backs.push(note),
    waitMsMax: 1_000
  })

  begin(): number {
    const session = ++this.last
    this.open.add(session)
    this.mostOpen = Math.max(this.mostOpen, this.open.size)
    return session
  }

  end(session: number): void {
    if (!this.open.delete(session)) throw new Error(`session ${session} is closed twice`)
  }

  move(own: Partial<Move<number>> = {}): Move<number> {
    return {
      prepare: async () => turn(),
      close: async from => {
        await turn()
        this.end(from)
      },
      open: async () => {
        await turn()
        return this.begin()
      },
      back: [
        { open: async () => this.begin(), note: '' },
        { open: async () => this.begin(), note: ', on another port' }
      ],
      ...own
    }
  }

  async started(): Promise<this> {
    await this.life.start(async () => this.begin())
    return this
  }

  stop(): Promise<void> {
    return this.life.stop(async session => {
      await turn()
      if (session !== undefined) this.end(session)
    })
  }
}

const failing = async (): Promise<never> => {
  await turn()
  throw new ShoalError('conflict', 'the port is in use')
}

describe('drawn orders', () => {
  it.each(Array.from({ length: 300 }, (_, seed) => seed))(
    'of changes, failures, calls and a stop: one session at a time, every caller hears, nothing stays open (seed %i)',
    async seed => {
      const random = Random.from(`life ${seed}`)
      const sessions = new Sessions()
      const { life } = sessions
      const maybe = async (percent: number): Promise<void> => {
        for (let waits = random.below(4); waits > 0; waits--) await turn()
        if (random.below(100) < percent) throw new ShoalError('disk-full', 'no room')
      }
      const drawnMove = (): Move<number> => ({
        prepare: async () => maybe(15),
        close: async from => {
          sessions.end(from)
          await maybe(15)
        },
        open: async () => {
          await maybe(30)
          return sessions.begin()
        },
        back: [0, 1].map(way => ({
          open: async () => {
            await maybe(way === 0 ? 30 : 10)
            return sessions.begin()
          },
          note: ` ${way}`
        }))
      })
      const ends: Array<Promise<string>> = []
      const heard = (what: Promise<unknown>): void => {
        ends.push(what.then(() => 'ok', codeOf))
      }
      heard(life.start(async () => (await maybe(0), sessions.begin())))
      const stopAt = random.below(40)
      for (let step = 0; step < 40; step++) {
        if (step === stopAt) for (let i = 0; i < 2; i++) heard(sessions.stop())
        const kind = random.below(3)
        if (kind === 0) heard(life.change(async ({ move }) => move(drawnMove())))
        else if (kind === 1) heard(life.settled(never))
        else await turn()
        expect(sessions.open.size).toBeLessThanOrEqual(1)
        if (life.kind === 'running') expect([...sessions.open]).toEqual([life.session])
      }
      await sessions.stop()
      for (const end of await Promise.all(ends)) expect(['ok', 'busy', 'interrupted', 'disk-full']).toContain(end)
      expect(sessions.mostOpen).toBeLessThanOrEqual(1)
      expect(sessions.open).toEqual(new Set())
      expect(life.kind).toBe('stopped')
      expect(sessions.lost.length).toBeLessThanOrEqual(1)
    }
  )
})

describe('a change', () => {
  it('makes calls wait until it has ended', async () => {
    const order: string[] = []
    const sessions = await new Sessions().started()
    const change = sessions.life.change(async ({ move }) => move(sessions.move()))
    await turn()
    expect(sessions.life.kind).toBe('moving')
    const call = sessions.life.settled(never).then(() => order.push('call'))
    await change.then(() => order.push('change'))
    await call
    expect(order.toSorted()).toEqual(['call', 'change'])
    expect(sessions.life.session).toBe(2)
  })

  it('runs after the one before it, and works with its session', async () => {
    const its = await new Sessions().started()
    const seen: number[] = []
    const one = (): Promise<unknown> =>
      its.life.change(async ({ session, move }) => {
        seen.push(session)
        await move(its.move())
      })
    await Promise.all([one(), one(), one()])
    expect(seen).toEqual([1, 2, 3])
    expect([...its.open]).toEqual([4])
  })

  it('is refused with `busy` when too many wait', async () => {
    const its = await new Sessions().started()
    const all = Array.from({ length: CHANGES_MAX + 1 }, () =>
      its.life.change(async ({ move }) => move(its.move())).then(() => 'ok', codeOf)
    )
    expect((await Promise.all(all)).toSorted()).toEqual(['busy', ...new Array<string>(CHANGES_MAX).fill('ok')])
  })

  it('that fails while the session is open leaves it as it is', async () => {
    const its = await new Sessions().started()
    const change = its.life.change(async ({ move }) => move(its.move({ prepare: failing })))
    await expect(change).rejects.toMatchObject({ code: 'conflict', message: 'the port is in use' })
    expect([its.life.kind, its.life.session, [...its.open]]).toEqual(['running', 1, [1]])
  })

  it('that cannot open the next session goes back, and says so', async () => {
    const its = await new Sessions().started()
    const change = its.life.change(async ({ move }) => move(its.move({ open: failing })))
    const message = 'the port is in use; the node is back in its overlay'
    await expect(change).rejects.toMatchObject({ code: 'conflict', message })
    expect([its.life.kind, its.life.session, its.backs]).toEqual(['running', 2, ['']])
  })

  it('that cannot go back on the same port goes back on another', async () => {
    const its = await new Sessions().started()
    const back = its.move().back.map((way, at) => (at === 0 ? { ...way, open: failing } : way))
    const change = its.life.change(async ({ move }) => move(its.move({ open: failing, back })))
    await expect(change).rejects.toThrow('the node is back in its overlay, on another port')
    expect(its.life.kind).toBe('running')
  })

  it('that cannot go back at all tells the owner, and every call hears why', async () => {
    const its = await new Sessions().started()
    const back = its.move().back.map(way => ({ ...way, open: failing }))
    const change = its.life.change(async ({ move }) => move(its.move({ open: failing, back })))
    await expect(change).rejects.toMatchObject({ code: 'conflict' })
    expect([its.life.kind, its.lost.length]).toEqual(['lost', 1])
    await expect(its.life.settled(never)).rejects.toMatchObject({ code: 'conflict' })
    await its.stop()
    expect(its.life.kind).toBe('stopped')
  })

  it('that breaks an invariant tries no way back', async () => {
    const its = await new Sessions().started()
    const broken = async (): Promise<never> => {
      throw new AssertionError('invariant broken: z')
    }
    const change = its.life.change(async ({ move }) => move(its.move({ open: broken })))
    await expect(change).rejects.toThrow(AssertionError)
    expect([its.life.kind, its.backs]).toEqual(['lost', []])
  })
})

describe('a call', () => {
  it('hears `busy` when the change takes too long, or too many wait', async () => {
    const its = await new Sessions().started()
    const held = Promise.withResolvers<undefined>()
    const change = its.life.change(async ({ move }) => move(its.move({ prepare: async () => held.promise })))
    await turn()
    const calls = Array.from({ length: WAITING_CALLS_MAX + 1 }, () => its.life.settled(never).then(() => 'ok', codeOf))
    expect(await Promise.race(calls)).toBe('busy')
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['busy']))
    held.resolve(undefined)
    await change
  })

  it('ends with its caller', async () => {
    const its = await new Sessions().started()
    const held = Promise.withResolvers<undefined>()
    const change = its.life.change(async ({ move }) => move(its.move({ prepare: async () => held.promise })))
    await turn()
    const caller = new AbortController()
    const call = its.life.settled(caller.signal)
    caller.abort(new ShoalError('interrupted', 'the caller hung up'))
    await expect(call).rejects.toThrow('the caller hung up')
    held.resolve(undefined)
    await change
  })
})

describe('a stop', () => {
  it('during a change closes what is open then, and opens nothing more', async () => {
    const its = await new Sessions().started()
    const change = its.life.change(async ({ move }) => move(its.move())).then(() => 'ok', codeOf)
    await turn()
    const call = its.life.settled(never).then(() => 'ok', codeOf)
    await its.stop()
    expect([await change, await call]).toEqual(['interrupted', 'interrupted'])
    expect(its.open).toEqual(new Set())
    expect(its.life.session).toBe(1)
  })

  it('is one, however often it is asked for', async () => {
    const its = await new Sessions().started()
    await Promise.all([its.stop(), its.stop(), its.stop()])
    await its.stop()
    expect(its.open).toEqual(new Set())
    await expect(its.life.change(async () => undefined)).rejects.toThrow(StoppingError)
  })

  it('before the start has ended closes what it opened', async () => {
    const its = new Sessions()
    const started = its.started().then(() => 'ok', codeOf)
    await its.stop()
    expect(await started).toBe('interrupted')
    expect(its.open).toEqual(new Set())
  })
})
