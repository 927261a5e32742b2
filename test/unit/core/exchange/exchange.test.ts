/** Whole downloads on a simulated network: which events the owner receives, and in which order. */
import { describe, expect, it, vi } from 'vitest'
import type { ContentId } from '../../../../src/base/ids.ts'
import type { Now } from '../../../../src/core/machine.ts'
import type { ExchangeEvent } from '../../../../src/core/exchange/contract.ts'
import { LOSSES_MAX, UPLOAD_QUEUE_MAX, UPLOADS_PER_PEER_MAX } from '../../../../src/core/exchange/settings.ts'
import { syncedKey } from '../../../../src/core/exchange/download/synced.ts'
import { REQUEST_LEAVES_MAX } from '../../../../src/wire/exchange.ts'
import { LEAF_BYTES, Layout, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { Swarm, type ExchangeNode } from '../../../simulation/swarm.ts'

const MIB = 1 << 20
/** Generous, because the machine may be busy with other work. */
const PATIENCE_MS = 60_000
vi.setConfig({ testTimeout: PATIENCE_MS })

/** `holders` seeds, and one more node without a download. */
class Scene {
  readonly swarm: Swarm
  readonly content: ContentId
  readonly seeds: readonly ExchangeNode[]
  readonly getter: ExchangeNode

  constructor(holders: number, options: { layout?: Layout; uplinkBytesPerSecond?: number; seed?: number } = {}) {
    this.swarm = new Swarm({
      seed: options.seed ?? 1,
      uplinkBytesPerSecond: options.uplinkBytesPerSecond ?? 4 * MIB,
      network: { latencyMinMs: 1, latencyMaxMs: 1, jitter: 0 }
    })
    this.content = this.swarm.content('it', options.layout ?? new Layout(8 * LEAF_BYTES, [8 * MIB]))
    this.seeds = this.swarm.world.startMany(holders)
    this.getter = this.swarm.world.startMany(1)[0]!
    for (const seed of this.seeds) this.swarm.seed(seed, this.content)
  }

  get(): void {
    this.swarm.get(this.getter, this.content)
  }

  get done(): boolean {
    return this.swarm.hasFinished(this.getter, this.content)
  }

  finish(limitMs: number): boolean {
    return this.swarm.world.settle(() => this.done, { everyMs: 10, limitMs })
  }

  get progress() {
    return this.getter.machine.progress(this.content, this.getter.clock.now(this.swarm.world.timeMs))!
  }

  runUntilBytes(bytes: number): void {
    expect(this.swarm.world.runUntil(() => this.progress.haveBytes >= bytes, 60_000)).toBe(true)
  }

  heard(node = this.getter): ExchangeEvent[] {
    return this.swarm.events.filter(one => one.node === node && one.event.kind !== 'progress').map(one => one.event)
  }

  kinds(): string[] {
    return this.heard().map(event => (event.kind === 'announce' ? `announce ${event.held}` : event.kind))
  }

  bytesFrom(node: ExchangeNode): number {
    return this.progress.sources.find(({ peer }) => peer === node.id)?.bytes ?? 0
  }
}

describe('a download', () => {
  it('announces a part before its first request, and the whole content at the end', () => {
    const scene = new Scene(1)
    scene.get()
    scene.swarm.world.runUntil(() => scene.kinds().includes('announce part'), 1_000)
    expect(scene.swarm.blocks.servedLeaves).toEqual([])
    expect(scene.finish(10_000)).toBe(true)
    scene.swarm.world.run(100)
    const kinds = scene.kinds().filter(kind => kind !== 'wanted-providers')
    expect(kinds).toEqual(['announce part', 'announce all', 'complete'])
  })

  it('is not announced while it is not offered, until it is removed and started again', () => {
    const scene = new Scene(1)
    const { world } = scene.swarm
    const announced = (): string[] => scene.kinds().filter(kind => kind.startsWith('announce'))
    world.call(scene.getter, machine => {
      machine.setOffered(scene.content, false)
    })
    scene.get()
    expect(scene.finish(10_000)).toBe(true)
    world.run(100)
    expect(new Set(announced())).toEqual(new Set(['announce none']))
    world.call(scene.getter, (machine, now) => {
      machine.remove(scene.content, now)
    })
    world.run(1_000)
    scene.get()
    expect(scene.finish(10_000)).toBe(true)
    world.run(100)
    expect(announced().slice(-2)).toEqual(['announce part', 'announce all'])
  })

  it('uses all holders at once', () => {
    const scene = new Scene(4)
    scene.get()
    expect(scene.finish(10_000)).toBe(true)
    for (const seed of scene.seeds) expect(scene.bytesFrom(seed)).toBeGreaterThan(MIB)
    expect(scene.swarm.world.timeMs).toBeLessThan(900)
  })

  it('completes with four holders: one killed, one paused, one that sends corrupt data, and one slow', () => {
    const scene = new Scene(4)
    const [killed, stopped, liar, slow] = scene.seeds as [ExchangeNode, ExchangeNode, ExchangeNode, ExchangeNode]
    const { swarm } = scene
    swarm.blocks.bench(liar).flips = 0.05
    swarm.blocks.bench(slow).uplinkBytesPerSecond = MIB
    scene.get()
    scene.runUntilBytes(MIB)
    swarm.world.crash(killed)
    swarm.world.pause(stopped)
    expect(scene.finish(12_000)).toBe(true)
    expect(scene.heard()).toContainEqual({ kind: 'banned', content: scene.content, peer: liar.id, everywhere: false })
    expect(scene.getter.machine.banned(scene.getter.clock.now(swarm.world.timeMs))).toEqual([
      { peer: liar.id, content: scene.content, reason: 'bad-leaf' }
    ])
    expect(scene.heard(liar)).toContainEqual({
      kind: 'accused',
      content: scene.content,
      peer: scene.getter.id,
      reason: 'bad-leaf'
    })
  })

  it('requests from other holders at once when a member is dead', () => {
    const scene = new Scene(2, { uplinkBytesPerSecond: MIB })
    scene.get()
    scene.runUntilBytes(MIB)
    const [dead, alive] = scene.seeds as [ExchangeNode, ExchangeNode]
    scene.swarm.world.pause(dead)
    scene.swarm.world.call(scene.getter, (machine, now) => {
      machine.memberDown(dead.id, now)
    })
    const before = scene.bytesFrom(dead)
    expect(scene.finish(8_000)).toBe(true)
    // The request that had arrived and that io had not answered yet.
    expect(scene.bytesFrom(dead) - before).toBeLessThanOrEqual(REQUEST_LEAVES_MAX * LEAF_BYTES)
    expect(scene.bytesFrom(alive)).toBeGreaterThan(6 * MIB)
  })

  it('bans a peer for all contents when it sends corrupt leaves of a second one', () => {
    const scene = new Scene(2)
    const liar = scene.seeds[0]!
    const second = scene.swarm.content('that', new Layout(LEAF_BYTES, [MIB]))
    for (const seed of scene.seeds) scene.swarm.seed(seed, second)
    scene.swarm.blocks.bench(liar).flips = 1
    scene.get()
    scene.swarm.get(scene.getter, second)
    expect(
      scene.swarm.world.settle(() => scene.done && scene.swarm.hasFinished(scene.getter, second), {
        everyMs: 50,
        limitMs: 20_000
      })
    ).toBe(true)
    const bans = scene.heard().flatMap(event => (event.kind === 'banned' ? [event.everywhere] : []))
    expect(bans).toEqual([false, true])
  })

  it('bans a peer that sends a wrong manifest, and asks another one', () => {
    const scene = new Scene(2)
    scene.swarm.blocks.bench(scene.seeds[0]!).lies = true
    scene.get()
    expect(scene.finish(20_000)).toBe(true)
    const banned = scene.heard().filter(event => event.kind === 'banned')
    expect(banned.every(({ peer }) => peer === scene.seeds[0]!.id)).toBe(true)
  })

  it('fetches 1,500 files of one leaf at the rate of the uplink', () => {
    const files = Array.from({ length: 1_500 }, () => 4_096)
    const scene = new Scene(1, { layout: new Layout(LEAF_BYTES, files) })
    scene.get()
    expect(scene.finish(20_000)).toBe(true)
    const boundMs = ((1_500 * 4_096) / (4 * MIB)) * 1_000
    expect(scene.swarm.world.timeMs).toBeLessThan(boundMs * 1.1 + 200)
  })

  it('completes at once when all files are empty', () => {
    const scene = new Scene(1, { layout: new Layout(LEAF_BYTES, [0, 0]) })
    scene.get()
    expect(scene.finish(3_000)).toBe(true)
  })
})

describe('a holder that accepts no connections', () => {
  it('is reported as unreachable, and is asked as soon as it dials and sends an offer', () => {
    const scene = new Scene(1)
    const { world } = scene.swarm
    const [holder] = scene.seeds
    world.network.shield(holder!.index)
    scene.get()
    expect(world.runUntil(() => scene.kinds().includes('unreachable'), 20_000)).toBe(true)
    expect(scene.heard().find(({ kind }) => kind === 'unreachable')).toMatchObject({ peer: holder!.id })
    world.run(40_000)
    expect(scene.progress.haveBytes).toBe(0)
    world.call(holder!, machine => machine.offer(scene.content, scene.getter.contact))
    expect(scene.finish(5_000)).toBe(true)
  })

  it('sends no offer of a content that it does not hold', () => {
    const scene = new Scene(1)
    const { world } = scene.swarm
    scene.get()
    world.call(scene.getter, machine => machine.offer(scene.content, scene.seeds[0]!.contact))
    expect(world.links.isUp(scene.getter, scene.seeds[0]!.id)).toBe(false)
  })
})

describe('a full disk', () => {
  it('pauses the download, which tries again every 5 s, with one event for each change', () => {
    const scene = new Scene(1)
    scene.get()
    scene.runUntilBytes(MIB)
    scene.getter.disk.full = true
    scene.swarm.world.run(17_000)
    expect(scene.progress.state).toBe('paused')
    const before = scene.swarm.blocks.servedLeaves[0]!
    scene.swarm.world.run(5_000)
    expect(scene.swarm.blocks.servedLeaves[0]! - before).toBeLessThan(3)
    scene.getter.disk.full = false
    expect(scene.finish(20_000)).toBe(true)
    expect(scene.kinds().filter(kind => kind === 'paused' || kind === 'resumed')).toEqual(['paused', 'resumed'])
  })
})

describe('an unfinished file that is deleted', () => {
  const lose = (scene: Scene): void => {
    scene.swarm.blocks.leaves(scene.getter, scene.content).lose()
  }
  const kindsOf = (scene: Scene): string[] => scene.kinds().filter(kind => kind === 'paused' || kind === 'complete')

  it.each([1, 2, 3, 4])('is fetched again without a pause, draw %d', draw => {
    const scene = new Scene(2, { seed: draw })
    scene.get()
    scene.runUntilBytes(draw * MIB)
    scene.swarm.world.run(draw * 40)
    lose(scene)
    expect(scene.finish(20_000)).toBe(true)
    expect(kindsOf(scene)).toEqual(['complete'])
  })

  it('is fetched again when it is deleted just before the end', () => {
    const scene = new Scene(1)
    scene.get()
    scene.runUntilBytes(8 * MIB)
    lose(scene)
    expect(scene.finish(20_000)).toBe(true)
  })

  it(`pauses the download when it is deleted more than ${LOSSES_MAX} times, until the user resumes it`, () => {
    const scene = new Scene(1, { uplinkBytesPerSecond: MIB })
    const { world } = scene.swarm
    scene.get()
    for (let loss = 0; loss <= LOSSES_MAX; loss++) {
      expect(kindsOf(scene)).toEqual([])
      scene.runUntilBytes(MIB)
      lose(scene)
      world.run(3_000)
    }
    expect(scene.heard().flatMap(event => (event.kind === 'paused' ? [event.reason] : []))).toEqual(['disk'])
    world.call(scene.getter, (machine, now) => {
      machine.resume(scene.content, now)
    })
    expect(scene.finish(20_000)).toBe(true)
  })
})

describe('pause, resume and remove', () => {
  it('sends no requests while paused, and continues where it was', () => {
    const scene = new Scene(2)
    const { world, blocks } = scene.swarm
    scene.get()
    scene.runUntilBytes(2 * MIB)
    world.call(scene.getter, (machine, now) => {
      machine.pause(scene.content, now)
    })
    world.run(500)
    const served = blocks.servedLeaves.reduce((sum, leaves) => sum + leaves, 0)
    world.run(30_000)
    expect(blocks.servedLeaves.reduce((sum, leaves) => sum + leaves, 0)).toBe(served)
    expect(scene.getter.disk.contents().has(syncedKey(scene.content))).toBe(true)
    world.call(scene.getter, (machine, now) => {
      machine.resume(scene.content, now)
    })
    expect(scene.finish(20_000)).toBe(true)
  })

  it.each([1, 2, 3, 4])('stays paused by the user when the disk is full too, draw %d', draw => {
    const scene = new Scene(2, { seed: draw })
    const { world } = scene.swarm
    scene.get()
    scene.runUntilBytes(2 * MIB)
    scene.getter.disk.full = true
    world.call(scene.getter, (machine, now) => {
      machine.pause(scene.content, now)
    })
    world.run(20_000)
    expect(scene.heard().flatMap(event => (event.kind === 'paused' ? [event.reason] : []))).toEqual(['user'])
    scene.getter.disk.full = false
    world.run(20_000)
    expect(scene.progress.state).toBe('paused')
    world.call(scene.getter, (machine, now) => {
      machine.resume(scene.content, now)
    })
    expect(scene.finish(20_000)).toBe(true)
  })

  it('deletes the state of a removed content, and closes it when io has answered every request', () => {
    const scene = new Scene(2)
    const { world } = scene.swarm
    scene.get()
    scene.runUntilBytes(3 * MIB)
    world.run(3_000)
    world.call(scene.getter, (machine, now) => {
      machine.remove(scene.content, now)
    })
    world.run(1_000)
    expect(scene.getter.machine.contents(scene.getter.clock.now(world.timeMs))).toEqual([])
    expect(scene.getter.disk.contents().size).toBe(0)
    expect(scene.kinds().at(-1)).toBe('announce none')
    expect(scene.getter.machine.nextWake()).toBeUndefined()
  })
})

describe('a restart', () => {
  it('requests no leaf that was recorded as synced, at 20 random moments', () => {
    const scene = new Scene(2, { uplinkBytesPerSecond: MIB / 4 })
    const { world } = scene.swarm
    scene.get()
    for (let kill = 0; kill < 20; kill++) {
      world.run(world.random.range(100, 4_000))
      world.crash(scene.getter)
      world.start(scene.getter)
    }
    // sim/outside/blocks.ts ends the run when a recorded leaf is requested.
    expect(scene.finish(60_000)).toBe(true)
  })
})

describe('a holder', () => {
  it('withdraws a piece whose file changed, and notifies its owner', () => {
    const scene = new Scene(2)
    const changed = scene.seeds[0]!
    for (let piece = 0; piece < 32; piece++)
      scene.swarm.blocks.leaves(changed, scene.content).changed.add(piece as PieceIndex)
    scene.get()
    expect(scene.finish(10_000)).toBe(true)
    const told = scene.heard(changed).flatMap(event => (event.kind === 'changed' ? [event.piece] : []))
    expect(told.length).toBeGreaterThan(0)
    expect(new Set(told).size).toBe(told.length)
    expect(scene.kinds()).not.toContain('banned')
    expect(scene.bytesFrom(changed)).toBeGreaterThan(MIB)
  })

  it('refuses requests for contents it does not hold, from peers that are not interested, and beyond its queue', () => {
    const scene = new Scene(1, { layout: new Layout(LEAF_BYTES, [4_000 * LEAF_BYTES]), uplinkBytesPerSecond: 1_000 })
    const { world } = scene.swarm
    const seed = scene.seeds[0]!
    const refused = new Map<string, number>()
    const ask = (first: number, count: number) => {
      const requests = Array.from({ length: count }, (_, i) => ({
        request: first + i,
        range: { piece: (first + i) as PieceIndex, leafStart: 0, leafCount: 1 },
        hashes: false
      }))
      world.call(seed, (machine, now) => {
        machine.receive(scene.getter.contact, 'stream', { kind: 'request', content: scene.content, requests }, now)
        for (const effect of machine.drain()) {
          if (effect.kind !== 'send' || effect.message.kind !== 'reject') continue
          const { reason, requests: ids } = effect.message
          refused.set(reason, (refused.get(reason) ?? 0) + ids.length)
        }
      })
    }
    ask(0, 1)
    world.call(seed, (machine, now) => {
      machine.receive(scene.getter.contact, 'stream', { kind: 'interested', content: scene.content }, now)
    })
    world.run(10)
    for (let i = 0; i < UPLOAD_QUEUE_MAX + 128; i += 64) ask(i, 64)
    ask(3_999, 2)
    expect([...refused]).toEqual([
      ['not-held', 2],
      ['busy', 128 - 4 + 1]
    ])
  })
})

describe('a request number', () => {
  it('that is queued or being sent is ignored when it is repeated, and its sender is reported', () => {
    const scene = new Scene(1, { layout: new Layout(LEAF_BYTES, [4_000 * LEAF_BYTES]), uplinkBytesPerSecond: 1_000 })
    const { world } = scene.swarm
    const seed = scene.seeds[0]!
    world.call(seed, (machine, now) => {
      machine.receive(scene.getter.contact, 'stream', { kind: 'interested', content: scene.content }, now)
    })
    world.run(10)
    const tokens = new Map<number, number>()
    const misbehaved: string[] = []
    /** Returns the requests whose uploads the machine starts. */
    const call = (act: (machine: ExchangeNode['machine'], now: Now) => void): number[] => {
      const started: number[] = []
      world.call(seed, (machine, now) => {
        act(machine, now)
        for (const effect of machine.drain()) {
          if (effect.kind === 'emit' && effect.event.kind === 'misbehaved') misbehaved.push(effect.event.what)
          if (effect.kind !== 'command' || effect.command.kind !== 'upload') continue
          started.push(effect.command.request)
          tokens.set(effect.command.request, effect.token)
        }
      })
      return started
    }
    const ask = (numbers: readonly number[]): number[] => {
      const requests = numbers.map(request => ({
        request,
        range: { piece: request as PieceIndex, leafStart: 0, leafCount: 1 },
        hashes: false
      }))
      const message = { kind: 'request' as const, content: scene.content, requests }
      return call((machine, now) => {
        machine.receive(scene.getter.contact, 'stream', message, now)
      })
    }
    const first = Array.from({ length: UPLOADS_PER_PEER_MAX + 1 }, (_, i) => i)
    expect([ask(first), misbehaved]).toEqual([first.slice(0, -1), []])
    // One that is being sent, the same again, and one that is queued.
    expect(ask([0, 0, UPLOADS_PER_PEER_MAX])).toEqual([])
    expect(ask([0])).toEqual([])
    expect(misbehaved).toEqual(['used a request number twice', 'used a request number twice'])
    const end = (request: number): number[] =>
      call((machine, now) => {
        machine.done(tokens.get(request)!, { ok: true }, now)
      })
    expect([end(1), end(2)]).toEqual([[UPLOADS_PER_PEER_MAX], []])
  })
})

describe('a swarm', () => {
  it("of one seed and eight downloaders with equal uplinks finishes within 1.3 times Kumar and Ross's bound", () => {
    const swarm = new Swarm({ seed: 1, uplinkBytesPerSecond: MIB, network: { latencyMinMs: 1, latencyMaxMs: 10 } })
    const bytes = 8 * MIB
    const content = swarm.content('it', new Layout(8 * LEAF_BYTES, [bytes]))
    const [seed, ...getters] = swarm.world.startMany(9)
    swarm.seed(seed!, content)
    for (const getter of getters) swarm.get(getter, content)
    // max(F / u_s, N F / (u_s + sum of u)) is here the time in which the seed sends the content once.
    const boundMs = (bytes / MIB) * 1_000
    expect(
      swarm.world.settle(() => getters.every(one => swarm.hasFinished(one, content)), {
        everyMs: 50,
        limitMs: boundMs * 1.3
      })
    ).toBe(true)
  })
})
