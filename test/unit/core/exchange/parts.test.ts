/** The small parts of the exchange, one by one. */
import { describe, expect, it } from 'vitest'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { after, instant, wallMs } from '../../../../src/base/time.ts'
import { Bans } from '../../../../src/core/exchange/download/bans.ts'
import { clusterChoker } from '../../../../src/core/exchange/upload/choker.ts'
import { HeldLeaves } from '../../../../src/core/exchange/held-leaves.ts'
import { Meter } from '../../../../src/core/exchange/meter.ts'
import { Pace, WINDOW_BYTES_MAX, WINDOW_START_BYTES } from '../../../../src/core/exchange/download/pace.ts'
import { PARTIALS_PER_PEER_MAX, PeerHave } from '../../../../src/core/exchange/picker/peer-have.ts'
import { Rarity } from '../../../../src/core/exchange/picker/rarity.ts'
import {
  BAN_MS,
  BANS_MAX,
  RETRY_MAX_MS,
  SOURCES_KNOWN_MAX,
  UNCHOKED_MS
} from '../../../../src/core/exchange/settings.ts'
import { Sources } from '../../../../src/core/exchange/download/sources.ts'
import {
  decodeSynced,
  encodeSynced,
  SYNCED_BYTES_MAX,
  syncIntervalMs
} from '../../../../src/core/exchange/download/synced.ts'
import { LEAF_BYTES, Layout, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'

const p = (piece: number) => piece as PieceIndex
const at = (ms: number) => ({ mono: instant(ms), wall: wallMs(0) })
const peer = (i: number) => i.toString(16).padStart(64, '0') as NodeId
const content = (i: number) => i.toString(16).padStart(64, 'c') as ContentId
const contact = (i: number) => ({ id: peer(i), address: { host: '10.0.0.1', port: 1 + (i % 60_000) } })

describe('bans', () => {
  it('are for one content at first, and for all contents after the second one', () => {
    const bans = new Bans()
    expect(bans.ban(peer(1), content(1), 'bad-leaf', instant(0))).toBe('content')
    expect([1, 2].map(i => bans.has(peer(1), content(i), instant(1)))).toEqual([true, false])
    expect(bans.ban(peer(1), content(1), 'bad-leaf', instant(2))).toBe('content')
    expect(bans.ban(peer(1), content(2), 'bad-leaf', instant(3))).toBe('everywhere')
    expect(bans.has(peer(1), content(3), instant(4))).toBe(true)
    expect(bans.has(peer(2), content(1), instant(4))).toBe(false)
  })

  it('end after an hour', () => {
    const bans = new Bans()
    bans.ban(peer(1), content(1), 'bad-manifest', instant(0))
    expect(bans.list(instant(BAN_MS - 1))).toEqual([{ peer: peer(1), content: content(1), reason: 'bad-manifest' }])
    expect(bans.list(instant(BAN_MS))).toEqual([])
    expect(bans.ban(peer(1), content(2), 'bad-leaf', instant(BAN_MS))).toBe('content')
  })

  it('are bounded', () => {
    const bans = new Bans()
    for (let i = 0; i <= BANS_MAX; i++) bans.ban(peer(i), content(1), 'bad-leaf', instant(0))
    expect(bans.list(instant(1))).toHaveLength(BANS_MAX)
  })
})

describe('the pace of a source', () => {
  it('starts with a window of two requests, and doubles it in each round trip while the rate grows', () => {
    const pace = new Pace()
    const windows: number[] = []
    for (let round = 0; round < 4; round++) {
      windows.push(pace.window)
      const mark = pace.mark(instant(round * 50))
      pace.arrived(pace.window, mark, instant(round * 50 + 50))
    }
    expect(windows).toEqual([1, 2, 4, 8].map(factor => factor * WINDOW_START_BYTES))
  })

  it('has a window of one second at short round trips, and of four round trips at long ones', () => {
    for (const [rttMs, windowMs] of [
      [20, 1_000],
      [500, 2_000]
    ] as const) {
      const pace = new Pace()
      const rate = 10e6
      pace.roundTrip(rttMs)
      for (let i = 0; i < 400; i++) {
        const mark = pace.mark(instant(i * 1_000))
        pace.arrived(rate, mark, instant(i * 1_000 + 1_000))
      }
      expect(pace.rateBytesPerSecond).toBeCloseTo(rate, -3)
      expect(pace.window).toBeCloseTo((rate * windowMs) / 1_000, -3)
    }
  })

  it('has a window of at most 64 MiB', () => {
    const pace = new Pace()
    for (let i = 0; i < 100; i++) pace.arrived(64 << 20, pace.mark(instant(i)), instant(i + 1))
    expect(pace.window).toBe(WINDOW_BYTES_MAX)
  })

  it('sizes a request to a tenth of a second, 1 to 16 leaves', () => {
    const leaves = (rate: number) => {
      const pace = new Pace()
      pace.arrived(rate, pace.mark(instant(0)), instant(1_000))
      return pace.requestLeaves
    }
    expect([1_000, 1_000_000, 100_000_000].map(leaves)).toEqual([1, 6, 16])
  })
})

describe('the pieces of a peer', () => {
  it('include a piece once all its leaves are announced', () => {
    const have = new PeerHave(3)
    expect(have.learn({ piece: p(1), leafStart: 0, leafCount: 2 }, 4)).toBe(true)
    expect(have.learn({ piece: p(1), leafStart: 1, leafCount: 2 }, 4)).toBe(false)
    expect([have.hasPiece(p(1)), have.has(p(1), 2), have.has(p(1), 3)]).toEqual([false, true, false])
    have.learn({ piece: p(1), leafStart: 3, leafCount: 1 }, 4)
    expect([have.hasPiece(p(1)), [...have.held()]]).toEqual([true, [1]])
  })

  it('include a bounded number of partial pieces, and all complete ones', () => {
    const pieces = PARTIALS_PER_PEER_MAX + 10
    const have = new PeerHave(pieces)
    for (let i = 0; i < pieces; i++) have.learn({ piece: p(i), leafStart: 0, leafCount: 1 }, 2)
    expect([...have.held()]).toHaveLength(PARTIALS_PER_PEER_MAX)
    expect(have.learn({ piece: p(pieces - 1), leafStart: 0, leafCount: 2 }, 2)).toBe(true)
    expect(have.hasPiece(p(pieces - 1))).toBe(true)
  })
})

describe('rarity', () => {
  it('stays consistent through random actions', () => {
    const random = Random.from(1)
    const rarity = new Rarity(50)
    const counts = new Array<number>(50).fill(0)
    for (let i = 0; i < 5_000; i++) {
      const piece = p(random.below(50))
      const deed = random.below(4)
      if (deed === 0 && !rarity.listed(piece)) rarity.list(piece, random)
      else if (deed === 1 && rarity.listed(piece)) rarity.unlist(piece)
      else if (deed === 2 && counts[piece]! < 70) {
        counts[piece]!++
        rarity.more(piece)
      } else if (deed === 3 && counts[piece]! > 0) {
        counts[piece]!--
        rarity.fewer(piece)
      }
      rarity.check()
      expect(rarity.availability(piece)).toBe(counts[piece])
    }
  })
})

describe('the choker of a cluster', () => {
  const waits = (i: number, since = i) => ({ peer: peer(i), served: false, since: instant(since) })
  const served = (i: number, since = i) => ({ ...waits(i, since), served: true })

  it('serves the peers that wait longest', () => {
    expect(clusterChoker.choose([waits(3), waits(1), waits(2)], 2, at(9))).toEqual(new Set([peer(1), peer(2)]))
  })

  it('keeps serving the same peers while none waits', () => {
    expect(clusterChoker.choose([served(1), served(2)], 2, at(UNCHOKED_MS * 9)).size).toBe(2)
  })

  it('gives the slot of a peer that was served for 10 s to one that waits', () => {
    const peers = [served(1, 0), served(2, 5), waits(3, 6)]
    expect(clusterChoker.choose(peers, 2, at(UNCHOKED_MS - 1))).toEqual(new Set([peer(1), peer(2)]))
    expect(clusterChoker.choose(peers, 2, at(UNCHOKED_MS))).toEqual(new Set([peer(2), peer(3)]))
  })
})

describe('sources', () => {
  it('are bounded', () => {
    const sources = new Sources(Random.from(1))
    for (let i = 0; i < SOURCES_KNOWN_MAX + 5; i++) sources.add(contact(i), at(0))
    expect([...sources]).toHaveLength(SOURCES_KNOWN_MAX)
  })

  it('are asked again after growing pauses, those with the fewest failures first', () => {
    const sources = new Sources(Random.from(1))
    sources.add(contact(1), at(0))
    const pauses: number[] = []
    for (let now = 0, i = 0; i < 8; i++) {
      const known = sources.due(at(now))!
      sources.failed(known, at(now))
      const { standing } = known
      const retryAt = standing.kind === 'waiting' ? standing.retryAt : 0
      pauses.push(retryAt - now)
      expect(sources.due(at(retryAt - 1))).toBeUndefined()
      now = retryAt
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map(s => s * 1_000))
    sources.add(contact(2), at(0))
    expect(sources.due(at(RETRY_MAX_MS * 9))?.contact.id).toBe(peer(2))
  })

  it('have their address replaced by a newer one', () => {
    const sources = new Sources(Random.from(1))
    sources.add(contact(1), at(0))
    const moved = { id: peer(1), address: { host: '10.9.9.9', port: 9 } }
    sources.add(moved, at(1))
    expect(sources.get(peer(1))?.contact).toEqual(moved)
  })
})

describe('the held leaves', () => {
  const layout = new Layout(2 * LEAF_BYTES, [100, 3 * LEAF_BYTES + 1])

  it('are counted as bytes, complete pieces and partial pieces', () => {
    const leaves = new Bitfield(layout.leaves)
    for (const leaf of [0, 1, 2, 4]) leaves.add(leaf)
    const holding = new HeldLeaves(layout, leaves)
    expect(holding.bytes).toBe(100 + 2 * LEAF_BYTES + 1)
    expect([...holding.pieceBits()]).toEqual([0, 1])
    expect([...holding.partialRanges()]).toEqual([{ piece: 2, leafStart: 1, leafCount: 1 }])
    expect(holding.serves({ piece: p(2), leafStart: 0, leafCount: 2 })).toBe(false)
    expect(holding.add(p(2), 0)).toEqual({ bytes: LEAF_BYTES, whole: true })
    expect(holding.add(p(2), 0)).toEqual({ bytes: 0, whole: true })
    expect([holding.all, holding.bytes]).toEqual([true, layout.bytes])
  })

  it('are not served from a withdrawn piece until it is restored', () => {
    const holding = new HeldLeaves(layout, undefined)
    expect([holding.withdraw([p(1)]), holding.withdraw([p(1)]), holding.all]).toEqual([[1], [], false])
    expect([...holding.pieceBits()]).toEqual([0, 2])
    expect(holding.serves({ piece: p(1), leafStart: 0, leafCount: 1 })).toBe(false)
    expect([holding.restore([p(0), p(1)]), holding.restore([p(1)]), holding.all]).toEqual([[1], [], true])
    expect(holding.serves({ piece: p(1), leafStart: 0, leafCount: 1 })).toBe(true)
  })

  it('are offered as all, part or none, depending on what is withdrawn', () => {
    const whole = new HeldLeaves(layout, undefined)
    expect(whole.offer).toBe('all')
    whole.withdraw([p(0), p(1)])
    expect(whole.offer).toBe('part')
    whole.withdraw([p(2)])
    expect([whole.offer, [...whole.withdrawn()]]).toEqual(['none', [0, 1, 2]])
    whole.restore([p(2)])
    expect(whole.offer).toBe('part')
    expect(new HeldLeaves(layout, new Bitfield(layout.leaves)).offer).toBe('part')
  })

  it('do not include the leaves of a withdrawn partial piece in the ranges to announce', () => {
    const leaves = new Bitfield(layout.leaves)
    leaves.add(layout.firstLeafOf(p(2)))
    const holding = new HeldLeaves(layout, leaves)
    holding.withdraw([p(2)])
    expect([[...holding.partialRanges()], holding.offer]).toEqual([[], 'none'])
  })
})

describe('the record of synced leaves', () => {
  it('is decoded to the bits that were encoded', () => {
    const bits = new Bitfield(21)
    for (const leaf of [0, 7, 8, 20]) bits.add(leaf)
    expect([...decodeSynced(encodeSynced(21, bits.encode())!)!]).toEqual([0, 7, 8, 20])
  })

  it('is undefined when it is damaged, or larger than 64 MiB', () => {
    expect(decodeSynced(Uint8Array.of(21, 1, 0xff))).toBeUndefined()
    expect(decodeSynced(Uint8Array.of(3, 1, 0xff))).toBeUndefined()
    expect(encodeSynced(8, new Uint8Array(SYNCED_BYTES_MAX + 1))).toBeUndefined()
  })

  it('is written less often when it is large', () => {
    expect([65_536, 64 << 20].map(syncIntervalMs)).toEqual([2_000, 16_000])
  })
})

describe('the meter', () => {
  it('ignores bytes that are older than five seconds', () => {
    const meter = new Meter(instant(0))
    for (let ms = 0; ms < 5_000; ms += 100) meter.add(1_000, instant(ms))
    expect(meter.bytesPerSecond(instant(4_999))).toBeCloseTo(10_000, -3)
    expect(meter.bytesPerSecond(after(instant(5_000), 60_000))).toBe(0)
  })
})
