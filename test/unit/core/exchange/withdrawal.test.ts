/** What other peers receive when files of a holder vanish, and when they return. */
import { describe, expect, it } from 'vitest'
import type { ContentId } from '../../../../src/base/ids.ts'
import type { Shortage } from '../../../../src/core/exchange/contract.ts'
import { LEAF_BYTES, Layout, type PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { Swarm, type ExchangeNode } from '../../../simulation/swarm.ts'

const PIECE = 4 * LEAF_BYTES
/** Three files of 2, 3 and 4 pieces. */
const LAYOUT = new Layout(PIECE, [2 * PIECE, 3 * PIECE, 4 * PIECE])
const MIDDLE = pieces(2, 5)
const ALL = pieces(0, 9)

function pieces(first: number, end: number): PieceIndex[] {
  return Array.from({ length: end - first }, (_, i) => (first + i) as PieceIndex)
}

class Scene {
  readonly swarm = new Swarm({
    seed: 1,
    uplinkBytesPerSecond: 1 << 20,
    network: { latencyMinMs: 1, latencyMaxMs: 1, jitter: 0 }
  })
  readonly content: ContentId
  readonly holders: ExchangeNode[]
  readonly getter: ExchangeNode

  constructor(holders: number) {
    this.content = this.swarm.content('it', LAYOUT)
    this.holders = this.swarm.world.startMany(holders)
    this.getter = this.swarm.world.startMany(1)[0]!
    for (const holder of this.holders) this.swarm.seed(holder, this.content)
  }

  /** Removes pieces from the disk. The holder has not noticed yet. */
  lose(holder: ExchangeNode, gone: readonly PieceIndex[]): void {
    for (const piece of gone) this.swarm.blocks.leaves(holder, this.content).changed.add(piece)
  }

  withdraw(holder: ExchangeNode, gone: readonly PieceIndex[]): void {
    this.lose(holder, gone)
    this.swarm.world.call(holder, (machine, now) => machine.withdraw(this.content, gone, now))
  }

  restore(holder: ExchangeNode, back: readonly PieceIndex[]): void {
    for (const piece of back) this.swarm.blocks.leaves(holder, this.content).changed.delete(piece)
    this.swarm.world.call(holder, (machine, now) => machine.restore(this.content, back, now))
  }

  get(): void {
    this.swarm.get(this.getter, this.content)
  }

  get isDone(): boolean {
    return this.swarm.hasFinished(this.getter, this.content)
  }

  finish(limitMs = 20_000): boolean {
    return this.swarm.world.settle(() => this.isDone, { everyMs: 10, limitMs })
  }

  get shortage(): Shortage | undefined {
    return this.getter.machine.shortage(this.content)
  }

  standsStill(): boolean {
    return this.swarm.world.settle(() => this.shortage?.isAsking === false, { everyMs: 10, limitMs: 20_000 })
  }

  announced(holder: ExchangeNode): string[] {
    return this.swarm.events.flatMap(({ node, event }) =>
      node === holder && event.kind === 'announce' ? [event.held] : []
    )
  }

  changedOf(holder: ExchangeNode): PieceIndex[] {
    return this.swarm.events.flatMap(({ node, event }) =>
      node === holder && event.kind === 'changed' ? [event.piece] : []
    )
  }
}

describe('withdrawn pieces', () => {
  it('are not offered to peers that asked before or ask after', () => {
    const scene = new Scene(1)
    const [holder] = scene.holders as [ExchangeNode]
    scene.withdraw(holder, MIDDLE)
    scene.get()
    expect(scene.standsStill()).toBe(true)
    scene.withdraw(holder, pieces(5, 6))
    scene.swarm.world.run(1_000)
    expect([...holder.machine.heldPieces(scene.content)!]).toEqual([0, 1, 6, 7, 8])
    expect(scene.isDone).toBe(false)
  })

  it('change the announcement: part, then none, then all again', () => {
    const scene = new Scene(1)
    const [holder] = scene.holders as [ExchangeNode]
    scene.withdraw(holder, MIDDLE)
    scene.withdraw(holder, MIDDLE)
    scene.withdraw(holder, ALL)
    scene.restore(holder, MIDDLE)
    scene.restore(holder, ALL)
    scene.restore(holder, ALL)
    expect(scene.announced(holder)).toEqual(['part', 'none', 'part', 'all'])
  })

  it('are found when a request for them fails, and reported to the owner once each', () => {
    const scene = new Scene(1)
    const [holder] = scene.holders as [ExchangeNode]
    scene.lose(holder, MIDDLE)
    scene.get()
    expect(scene.standsStill()).toBe(true)
    expect(scene.changedOf(holder).sort()).toEqual(MIDDLE)
    expect(scene.announced(holder)).toEqual(['part'])
  })

  it('are fetched from another holder', () => {
    const scene = new Scene(2)
    const [one, other] = scene.holders as [ExchangeNode, ExchangeNode]
    scene.withdraw(one, MIDDLE)
    scene.lose(other, pieces(0, 2))
    scene.get()
    expect(scene.finish()).toBe(true)
  })

  it('are fetched at once when they are restored, also when all pieces were withdrawn', () => {
    for (const gone of [MIDDLE, ALL]) {
      const scene = new Scene(1)
      const [holder] = scene.holders as [ExchangeNode]
      scene.withdraw(holder, gone)
      scene.get()
      expect(scene.standsStill()).toBe(true)
      scene.swarm.world.run(60_000)
      scene.restore(holder, gone)
      expect(scene.finish(2_000)).toBe(true)
    }
  })
})

describe('a stalled download', () => {
  it('reports the pieces that no source offers, and the sources that had them', () => {
    const scene = new Scene(2)
    const [one, other] = scene.holders as [ExchangeNode, ExchangeNode]
    scene.withdraw(one, MIDDLE)
    scene.withdraw(other, pieces(4, 9))
    scene.get()
    expect(scene.standsStill()).toBe(true)
    expect(scene.shortage).toMatchObject({ pieces: [4], pieceCount: 1, silent: [] })
    expect([...scene.shortage!.withdrawnBy].sort()).toEqual([one.id, other.id].sort())
  })

  it('reports a holder that removed the content', () => {
    const scene = new Scene(1)
    const [holder] = scene.holders as [ExchangeNode]
    scene.get()
    scene.swarm.world.run(100)
    scene.swarm.world.call(holder, (machine, now) => machine.remove(scene.content, now))
    expect(scene.standsStill()).toBe(true)
    expect(scene.shortage?.withdrawnBy).toEqual([holder.id])
  })

  it('reports no shortage while a holder is slow or does not answer', () => {
    const scene = new Scene(1)
    const [holder] = scene.holders as [ExchangeNode]
    scene.get()
    scene.swarm.world.run(100)
    scene.swarm.world.pause(holder)
    for (let i = 0; i < 50; i++) {
      scene.swarm.world.run(100)
      expect(scene.shortage).toBeUndefined()
    }
  })
})
