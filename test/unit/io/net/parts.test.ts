import { describe, expect, it } from 'vitest'
import { instant, after } from '../../../../src/base/time.ts'
import { newIdentity } from '../../../../src/io/identity.ts'
import { fromMultiaddr, plainHost, resolveAddress, toMultiaddr } from '../../../../src/io/net/address.ts'
import { ByteReader } from '../../../../src/io/net/stream/byte-reader.ts'
import { frame, frameLength } from '../../../../src/io/net/stream/frames.ts'
import { REFUSAL_PERIOD_MS, Refusals, REFUSALS_PER_PERIOD_MAX, type Refusal } from '../../../../src/io/net/refusals.ts'
import { countBoot, memoryNetState, saveMemberBoot } from '../../../../src/io/net/datagram/state.ts'
import { REPLAY_WINDOW, ReplayWindow } from '../../../../src/io/net/datagram/window.ts'
import { Random } from '../../../../src/base/random.ts'

describe('the replay window', () => {
  it('accepts every counter once, in any order within the window', () => {
    const window = new ReplayWindow()
    const counters = Random.from('window').shuffle(Array.from({ length: REPLAY_WINDOW }, (_, i) => i))
    expect(counters.every(counter => window.add(counter))).toBe(true)
    expect(counters.some(counter => window.add(counter))).toBe(false)
  })

  it('refuses counters older than the window', () => {
    const window = new ReplayWindow()
    window.add(REPLAY_WINDOW)
    expect(window.add(0)).toBe(false)
    expect(window.add(1)).toBe(true)
  })

  it.each([1, REPLAY_WINDOW - 1, REPLAY_WINDOW, REPLAY_WINDOW + 1, 5 * REPLAY_WINDOW, 2 ** 52])(
    'keeps seen counters seen and others unseen after a jump of %d',
    jump => {
      const window = new ReplayWindow()
      window.add(3)
      window.add(3 + jump)
      expect(window.has(3)).toBe(true)
      expect(window.has(3 + jump)).toBe(true)
      const between = [1, 2, 100].map(back => 3 + jump - back).filter(one => one > 3)
      expect(between.every(one => window.add(one))).toBe(true)
    }
  )
})

describe('refusals are reported', () => {
  const at = (host: string, port = 1): Omit<Refusal, 'suppressed'> => ({
    lane: 'udp',
    from: { host, port },
    peer: undefined,
    reason: 'bad-seal'
  })

  it('once per source and period, whatever the port, with the number of suppressed ones', () => {
    const reported: Refusal[] = []
    const refusals = new Refusals(refusal => reported.push(refusal))
    const start = instant(5)
    for (let i = 0; i < 100; i++) refusals.add(at('10.0.0.1', i), start)
    expect(reported).toHaveLength(1)
    refusals.add(at('10.0.0.1'), after(start, REFUSAL_PERIOD_MS))
    expect(reported.map(one => one.suppressed)).toEqual([0, 99])
    expect(refusals.total).toBe(101)
  })

  it('a bounded number of times per period, whatever the number of sources', () => {
    const reported: Refusal[] = []
    const refusals = new Refusals(refusal => reported.push(refusal))
    for (let i = 0; i < 1_000; i++) refusals.add(at(`10.0.${i >> 8}.${i & 255}`), instant(i))
    expect(reported).toHaveLength(REFUSALS_PER_PERIOD_MAX)
  })
})

describe('the boot counter', () => {
  it('increases with every start, even when the clock stops or goes back', async () => {
    const state = memoryNetState()
    const boots = []
    for (const seconds of [1_000, 1_000, 10, 2_000]) boots.push((await countBoot(state, seconds)).own)
    expect(boots).toEqual([1_000, 1_001, 1_002, 2_000])
  })

  it('is higher than before after an old copy of the state is restored', async () => {
    const state = memoryNetState()
    await countBoot(state, 1_000)
    const copy = memoryNetState()
    for (const [key, value] of await state.load()) await copy.save(key, value)
    const lost = await countBoot(state, 2_000)
    expect((await countBoot(copy, 2_001)).own).toBeGreaterThan(lost.own)
  })

  it('of every member is loaded, and malformed entries are ignored', async () => {
    const state = memoryNetState()
    const { id } = newIdentity()
    await saveMemberBoot(state, id, 77)
    await state.save('boot/nobody', new Uint8Array(4))
    await state.save(`boot/${newIdentity().id}`, new Uint8Array(3))
    expect([...(await countBoot(state, 1)).members]).toEqual([[id, 77]])
  })
})

describe('a reader of bytes', () => {
  it('returns exact lengths from chunks of any size', async () => {
    const random = Random.from('queue')
    const bytes = random.bytes(10_000)
    const chunks: Uint8Array[] = []
    for (let offset = 0; offset < bytes.length;) {
      const length = random.below(50)
      chunks.push(bytes.subarray(offset, offset + length))
      offset += length
    }
    const reader = new ByteReader(fromArray(chunks))
    const out: number[] = []
    while (out.length < bytes.length)
      out.push(...(await reader.read(Math.min(random.below(60), bytes.length - out.length))))
    expect(Uint8Array.from(out)).toEqual(bytes)
    expect(await reader.readOrEnd(1)).toBeUndefined()
    await expect(reader.read(1)).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('throws when the source ends within a length', async () => {
    const reader = new ByteReader(fromArray([Uint8Array.of(1, 2)]))
    await expect(reader.readOrEnd(3)).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('yields the unread bytes as remaining', async () => {
    const reader = new ByteReader(fromArray([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]))
    await reader.read(1)
    const rest: number[] = []
    for await (const chunk of reader.remaining()) rest.push(...chunk)
    expect(rest).toEqual([2, 3, 4])
  })

  it('reads the header and the payload of a frame', async () => {
    const reader = new ByteReader(fromArray([frame(Uint8Array.of(7, 8, 9))]))
    expect(frameLength(await reader.read(4))).toBe(3)
    expect(await reader.read(3)).toEqual(Uint8Array.of(7, 8, 9))
  })
})

async function* fromArray(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}

describe('an address', () => {
  const { id } = newIdentity()

  it.each(['127.0.0.1', '::1', 'fe80::1'])('of %s is unchanged after conversion to a multiaddr and back', host => {
    expect(fromMultiaddr(toMultiaddr({ host, port: 7 }))).toEqual({ host, port: 7 })
    expect(fromMultiaddr(toMultiaddr({ host, port: 7 }, id))).toEqual({ host, port: 7 })
  })

  it('of IPv4 has one text, whatever the type of socket', () => {
    expect(plainHost('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(plainHost('::1')).toBe('::1')
  })

  it('with a host name is resolved to a literal, and an unknown name is refused', async () => {
    const signal = AbortSignal.timeout(5_000)
    expect(await resolveAddress({ host: '10.0.0.1', port: 7 }, signal)).toEqual({ host: '10.0.0.1', port: 7 })
    expect(['127.0.0.1', '::1']).toContain((await resolveAddress({ host: 'localhost', port: 7 }, signal)).host)
    await expect(resolveAddress({ host: 'no..name', port: 7 }, signal)).rejects.toMatchObject({
      code: 'not-found'
    })
  })
})
