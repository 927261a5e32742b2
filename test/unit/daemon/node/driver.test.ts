/** What the daemon's driver makes of failures: of peers, of the outside, of the machine. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AssertionError } from '../../../../src/base/assert.ts'
import type { ShoalError } from '../../../../src/base/errors.ts'
import { nodeId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { Result } from '../../../../src/core/machine.ts'
import { Search } from '../../../../src/core/search/search.ts'
import { Driver, type Outside } from '../../../../src/daemon/node/driver.ts'
import type { Birth } from '../../../../src/sim/world.ts'
import { encode } from '../../../../src/wire/codec/codec.ts'
import { PAYLOAD_BYTES_MAX, searchMessage } from '../../../../src/wire/gnutella/search.ts'
import { Toy, toyMessage, type ToyCommand, type ToyEvent } from '../../../simulation/toy.ts'

const contactOf = (digit: number) => ({
  id: nodeId(new Uint8Array(32).fill(digit)),
  address: { host: '127.0.0.1', port: digit }
})
const peer = contactOf(2)
const now = () => ({ mono: instant(performance.now()), wall: wallMs(Date.now()) })

function driven(own: Partial<Outside<ToyCommand, ToyEvent>> = {}) {
  const seen: Array<[string, unknown]> = []
  const note =
    (what: string) =>
    (...values: unknown[]): void => {
      seen.push([what, values.at(-1)])
    }
  const toy = new Toy({ random: Random.from(1), restored: new Map() } as unknown as Birth)
  const driver = new Driver(toy, toyMessage, {
    now,
    send: note('send'),
    persist: async () => ({ ok: true }),
    execute: note('execute'),
    emitted: note('emitted'),
    malformed: note('malformed'),
    unsendable: note('unsendable'),
    stalled: note('stalled'),
    failed: note('failed'),
    fault: note('fault'),
    ...own
  })
  const kinds = (): string[] => seen.map(([kind]) => kind)
  return { toy, driver, seen, kinds }
}

const ping = encode(toyMessage, { kind: 'ping', count: 1 })

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('a peer', () => {
  it('that sends bytes which do not decode costs a drop', () => {
    const { driver, kinds, toy } = driven()
    driver.message(peer, 'datagram', Uint8Array.of(255, 255))
    driver.message(peer, 'datagram', ping)
    expect(kinds()).toEqual(['malformed', 'send'])
    expect(toy.received).toHaveLength(1)
  })

  it('that makes this node send more than a schema takes costs a drop, and the effects after it are carried out', () => {
    const { driver, seen, toy } = driven()
    driver.call(() => {
      toy.blob(peer, 'stream', 2_000_001)
      toy.ping(peer)
    })
    expect(seen.map(([kind]) => kind)).toEqual(['unsendable', 'send'])
    expect(seen[0]).toEqual(['unsendable', expect.stringContaining('2000000')])
  })

  it('that makes this node send more than a channel takes costs a drop', () => {
    const { driver, kinds, toy } = driven({
      send: (_to, channel) => {
        if (channel === 'datagram') throw new RangeError('a datagram is too long')
      }
    })
    driver.call(() => {
      toy.ping(peer)
    })
    expect(kinds()).toEqual(['unsendable'])
  })

  it('whose hit grows over the limit of a message when it is forwarded costs a drop', () => {
    const [self, asker, holder] = [contactOf(1), contactOf(2), contactOf(3)]
    const keys = { signer: { id: self.id, sign: () => new Uint8Array(64) }, verifier: { verify: () => true } }
    const search = new Search({ self, ...keys, random: Random.from('v'), restored: new Map() }, {}, now())
    const seen: string[] = []
    const note = (what: string) => (): void => {
      seen.push(what)
    }
    const driver = new Driver(search, searchMessage, {
      ...{ now, send: () => undefined, persist: async (): Promise<Result> => ({ ok: true }), execute: () => undefined },
      ...{ emitted: () => undefined, stalled: () => undefined, malformed: note('malformed') },
      ...{ unsendable: note('unsendable'), failed: note('failed'), fault: note('fault') }
    })
    driver.call(at => {
      search.start(at)
    })
    const say = (from: typeof peer, message: Parameters<(typeof searchMessage)['write']>[1]): void => {
      driver.message(from, 'stream', encode(searchMessage, message))
    }
    for (const who of [asker, holder]) say(who, { kind: 'connect', degree: 0 })
    const id = 'ab'.repeat(16)
    const filter = { type: undefined, minBytes: undefined, maxBytes: undefined }
    const query = { text: 'fish', content: undefined, filter }
    say(asker, { kind: 'query', id, ttl: 5, hops: 0, query, trace: false, asked: [] } as never)
    say(holder, longestHit(id, holder) as never)
    expect(seen).toEqual(['unsendable'])
    expect(driver.call(() => 'alive')).toBe('alive')
  })
})

/** As long as a hit may be before it is forwarded. */
function longestHit(id: string, holder: typeof peer): object {
  const hit = (length: number) => ({
    ...{ kind: 'query-hit', id, ttl: 10, hops: 0, holder, signature: new Uint8Array(64) },
    page: {
      count: 1,
      bytes: Buffer.concat([Buffer.alloc(8, 1), Buffer.from('a\0'), Buffer.alloc(length, 65), Buffer.alloc(1)])
    },
    trace: { forwarded: 0, path: [] }
  })
  for (let length = PAYLOAD_BYTES_MAX; length > 0; length--) {
    try {
      encode(searchMessage, hit(length) as never)
      return hit(length)
    } catch {
      // Shorter.
    }
  }
  throw new Error('no length fits')
}

describe('the outside', () => {
  it('that throws in a command answers it as failed', () => {
    const { driver, kinds, toy } = driven({
      execute: () => {
        throw new TypeError('no such file')
      }
    })
    driver.call(() => {
      toy.work(1)
      toy.ping(peer)
    })
    expect(kinds()).toEqual(['failed', 'send'])
    expect(toy.results).toEqual([{ ok: false, reason: 'internal' }])
  })

  it('whose persist rejects answers it as failed', async () => {
    const { driver, kinds, toy } = driven({ persist: () => Promise.reject(new Error('the disk is gone')) })
    driver.call(() => {
      toy.save()
    })
    await vi.advanceTimersByTimeAsync(1)
    expect(toy.results).toEqual([{ ok: false, reason: 'internal' }])
    expect(kinds()).toEqual(['failed', 'emitted'])
  })

  it('that answers a command twice is heard once', () => {
    const { driver, kinds, toy } = driven({
      execute: token => {
        driver.done(token, { ok: true })
        driver.done(token, { ok: false, reason: 'disk' })
      }
    })
    driver.call(() => {
      toy.work(1)
    })
    expect(toy.results).toEqual([{ ok: true }])
    expect(kinds()).toEqual(['failed'])
  })

  it('that throws at an event does not keep the effects after it', () => {
    const { driver, kinds, toy } = driven({
      emitted: () => {
        throw new TypeError('a watcher')
      }
    })
    driver.call(() => {
      toy.outbox.emit({ kind: 'saved', count: 1 })
      toy.ping(peer)
    })
    expect(kinds()).toEqual(['failed', 'send'])
  })
})

describe('a machine that throws', () => {
  const thrown = [new AssertionError('invariant broken: x'), new TypeError('no such field'), new RangeError('too long')]

  it.each(thrown)('%s ends the driver: nothing goes in or out any more, and the owner hears it once', error => {
    const { driver, seen, toy } = driven()
    const act = (): void => {
      driver.call(() => {
        toy.ping(peer)
        throw error
      })
    }
    expect(act).toThrow(error)
    driver.message(peer, 'datagram', ping)
    driver.link(peer.id, 'up')
    expect(() => driver.call(() => 1)).toThrow(error)
    expect(toy.received).toEqual([])
    expect(seen).toEqual([['fault', error]])
  })

  it('in an answer to a peer, in a wake or in an answer of the disk does as well, and throws at nobody', async () => {
    for (const method of ['receive', 'wake', 'done', 'drain', 'nextWake'] as const) {
      const { driver, toy, kinds } = driven()
      driver.call(at => {
        toy.pingEvery(10, [peer], at)
        toy.save()
      })
      toy[method] = () => {
        throw new TypeError(method)
      }
      driver.message(peer, 'datagram', ping)
      await vi.advanceTimersByTimeAsync(100)
      expect(kinds().filter(kind => kind === 'fault')).toEqual(['fault'])
    }
  })

  it('is not what a broken invariant of the outside is, but that ends the driver too', () => {
    const { driver, kinds, toy } = driven({
      execute: () => {
        throw new AssertionError('invariant broken: y')
      }
    })
    expect(() => {
      driver.call(() => {
        toy.work(1)
        toy.ping(peer)
      })
    }).not.toThrow()
    expect(kinds()).toEqual(['fault'])
    expect(() => driver.call(() => 1)).toThrow(AssertionError)
  })
})

describe('a closed driver', () => {
  it('answers a call with `busy`, drops what comes, and wakes no more', async () => {
    const { driver, toy, kinds } = driven()
    driver.call(at => {
      toy.pingEvery(10, [peer], at)
      toy.save()
    })
    driver.close()
    driver.close()
    driver.message(peer, 'datagram', ping)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(kinds()).toEqual([])
    expect(() => driver.call(() => 1)).toThrow(expect.objectContaining({ code: 'busy' }) as ShoalError)
  })

  it('carries out nothing that was decided before in the same drain', () => {
    const { driver, toy, kinds } = driven({ emitted: () => driver.close() })
    driver.call(() => {
      toy.outbox.emit({ kind: 'saved', count: 1 })
      toy.ping(peer)
    })
    expect(kinds()).toEqual([])
  })
})
