/**
 * The simulated io of the exchange. It carries out the commands of the exchange and fails the run when the exchange
 * breaks its contract. Modelled: an uplink rate for each node, which active uploads share leaf by leaf; senders that
 * flip bits; unexpected blocks; leaf hashes that must arrive first; writes that a crash loses or tears (leaves.ts); a
 * full disk, on which unsynced leaves may be lost; manifests that are missing or wrong.
 *
 * A paused process sends nothing and handles nothing, as with SIGSTOP. A broken link ends its transfers.
 */
import { expectDefined } from '../../base/assert.ts'
import { Bitfield } from '../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { Random } from '../../base/random.ts'
import type { ExchangeCommand, Prepared } from '../../core/exchange/contract.ts'
import { decodeSynced, syncedKey } from '../../core/exchange/download/synced.ts'
import { SNUB_MIN_MS } from '../../core/exchange/settings.ts'
import type { Machine } from '../../core/machine.ts'
import type { Layout, LeafRange } from '../../wire/bittorrent/layout.ts'
import { SimFailure } from '../failure.ts'
import { Leaves } from './leaves.ts'
import type { SimNode } from '../node.ts'
import type { World } from '../world.ts'

type Command<K extends ExchangeCommand['kind']> = ExchangeCommand & { kind: K }

/** Overhead of a leaf on the wire: frame and encryption. */
const FRAME_BYTES = 64
const HASH_BYTES = 32
/** The time of a local answer: a few system calls. */
const LOCAL_MS = 0.5
const SYNC_MIN_MS = 2
const SYNC_MAX_MS = 40
/** The timeout of a request for a manifest. */
const MANIFEST_TIMEOUT_MS = 5_000
const MANIFEST_MS = 20
/** The probability that an fsync on a full disk fails. Unsynced leaves may then be lost. */
const FULL_SYNC_FAILS = 0.5

interface Expected {
  readonly token: number
  readonly content: ContentId
  readonly peer: NodeId
  readonly range: LeafRange
  readonly written: Bitfield
  readonly sinceMs: number
  /** Its peer was snubbed, so other peers may have been asked for the same leaves. */
  released: boolean
}

interface Upload {
  readonly token: number
  readonly command: Command<'upload'>
  sent: number
}

/** The state of a node's io. `disk` survives the process. */
class Bench {
  readonly disk = new Map<ContentId, Leaves>()
  readonly expected = new Map<string, Expected>()
  readonly hashes = new Set<string>()
  /** When a peer last answered a request in full, by content and peer. The machine gets no partial results. */
  readonly answeredMs = new Map<string, number>()
  /** Expectations that ended at the latest instant, except those that the machine ended itself. */
  ended: Array<{ readonly expected: Expected; readonly atMs: number }> = []
  uploads: Upload[] = []
  sending = false
  expectedBytes = 0
  uplinkBytesPerSecond = Infinity
  /** The share of leaves that it corrupts. */
  flips = 0
  /** Whether it sends invalid manifests. */
  lies = false
}

export interface BlocksSettings {
  /** The limit of requested bytes in flight per node. */
  readonly inFlightBytesMax: number
  readonly uplinkBytesPerSecond: number
  /** The prefix of the exchange's keys on the disk, for nodes that run other machines too. */
  readonly keyPrefix?: string
}

export class Blocks<M, E, N extends Machine<M, C, E>, C = ExchangeCommand> {
  /** All leaves sent, by the sender's index, including corrupt and unexpected ones. */
  readonly servedLeaves: number[] = []
  /** Leaves that arrived and were not expected, or no longer. */
  droppedLeaves = 0
  badLeaves = 0
  private readonly settings: BlocksSettings
  private readonly random: Random
  private readonly benches: Bench[] = []
  private readonly layouts = new Map<ContentId, Layout>()

  constructor(seed: number | string, settings: BlocksSettings) {
    this.settings = settings
    this.random = Random.from(`shoal/sim/blocks/${seed}`)
  }

  bench(node: SimNode<N>): Bench {
    let bench = this.benches[node.index]
    if (bench === undefined) {
      bench = new Bench()
      bench.uplinkBytesPerSecond = this.settings.uplinkBytesPerSecond
      this.benches[node.index] = bench
    }
    return bench
  }

  /** Registers the layout of a content. */
  publish(content: ContentId, layout: Layout): void {
    this.layouts.set(content, layout)
  }

  /** The node's leaves of the content; created on the first call. */
  leaves(node: SimNode<N>, content: ContentId, wanted?: Bitfield): Leaves {
    const { disk } = this.bench(node)
    let leaves = disk.get(content)
    if (leaves === undefined) {
      const layout = expectDefined(this.layouts.get(content), 'the content was published')
      leaves = new Leaves(layout, wanted ?? new Bitfield(layout.pieces).fill())
      disk.set(content, leaves)
    }
    return leaves
  }

  started(_world: World<M, C, E, N>, node: SimNode<N>): void {
    const records = node.disk.contents()
    for (const [content, leaves] of this.bench(node).disk) {
      const record = records.get((this.settings.keyPrefix ?? '') + syncedKey(content))
      leaves.recorded = (record && decodeSynced(record)) ?? new Bitfield(leaves.layout.leaves)
    }
  }

  ended(_world: World<M, C, E, N>, node: SimNode<N>): void {
    const bench = this.bench(node)
    bench.expected.clear()
    bench.expectedBytes = 0
    bench.hashes.clear()
    bench.answeredMs.clear()
    bench.uploads = []
    bench.sending = false
    for (const leaves of bench.disk.values()) leaves.crash(this.random)
  }

  link(world: World<M, C, E, N>, node: SimNode<N>, peer: NodeId, state: 'up' | 'down'): void {
    if (state === 'up') return
    const bench = this.bench(node)
    for (const [key, expected] of bench.expected) if (expected.peer === peer) this.give(world, node, key, 'link')
    for (const upload of bench.uploads) {
      if (upload.command.peer === peer) world.done(node, upload.token, { ok: false, reason: 'link' })
    }
    bench.uploads = bench.uploads.filter(upload => upload.command.peer !== peer)
  }

  command(world: World<M, C, E, N>, node: SimNode<N>, token: number, command: ExchangeCommand): void {
    switch (command.kind) {
      case 'manifest':
        this.manifest(world, node, token, command)
        break
      case 'prepare':
        this.prepare(world, node, token, command)
        break
      case 'expect':
        this.expect(world, node, token, command)
        break
      case 'forget':
        this.give(world, node, keyOf(command), 'forgotten')
        world.done(node, token, { ok: true })
        break
      case 'upload':
        this.bench(node).uploads.push({ token, command, sent: 0 })
        this.send(world, node)
        break
      case 'stop-upload':
        this.stop(world, node, command)
        world.done(node, token, { ok: true })
        break
      case 'sync':
        this.sync(world, node, token, command)
        break
      case 'finish':
        this.finish(world, node, token, command)
        break
      case 'close':
        for (const { content } of this.bench(node).expected.values()) {
          if (content === command.content)
            throw new SimFailure({ property: 'quiet-close', detail: `${node.name} closes early` })
        }
        world.done(node, token, { ok: true })
    }
  }

  private manifest(
    world: World<M, C, E, N>,
    node: SimNode<N>,
    token: number,
    { content, peer }: Command<'manifest'>
  ): void {
    const there = expectDefined(world.nodeOf(peer.id), 'a peer of this world')
    const leaves = this.leaves(node, content)
    const { network, links } = world
    const dialled = !network.isShielded(there.index) || links.isUp(node, there.id)
    const cut = network.isCut(node.index, there.index) || network.isCut(there.index, node.index)
    const reached = there.isUp && dialled && !cut
    world.after(reached ? MANIFEST_MS : MANIFEST_TIMEOUT_MS, node, () => {
      const { lies, disk } = this.bench(there)
      const held = disk.get(content)?.manifest === true
      const problem = !reached ? 'link' : lies ? 'bad-manifest' : held ? undefined : 'not-held'
      if (problem === undefined) leaves.manifest = true
      world.done(node, token, problem === undefined ? { ok: true } : { ok: false, reason: problem })
    })
  }

  private prepare(
    world: World<M, C, E, N>,
    node: SimNode<N>,
    token: number,
    { content, synced }: Command<'prepare'>
  ): void {
    world.after(LOCAL_MS, node, () => {
      const leaves = this.bench(node).disk.get(content)
      if (leaves?.manifest !== true) {
        world.done(node, token, { ok: false, reason: 'no-manifest' })
        return
      }
      const value: Prepared = { layout: leaves.layout, wanted: leaves.wanted, have: leaves.found(synced) }
      world.done(node, token, { ok: true, value })
    })
  }

  private expect(world: World<M, C, E, N>, node: SimNode<N>, token: number, command: Command<'expect'>): void {
    const { peer, content, range } = command
    const bench = this.bench(node)
    const leaves = this.leaves(node, content)
    this.judge(world, node, command, leaves)
    bench.expectedBytes += leaves.layout.rangeBytes(range)
    if (bench.expectedBytes > this.settings.inFlightBytesMax) {
      throw new SimFailure({ property: 'in-flight', detail: `${node.name} has ${bench.expectedBytes} bytes in flight` })
    }
    const written = new Bitfield(range.leafCount)
    bench.expected.set(keyOf(command), { token, content, peer, range, written, sinceMs: world.timeMs, released: false })
  }

  /** A recorded leaf must not be requested; a leaf requested from another peer only in the endgame or after a snub. */
  private judge(world: World<M, C, E, N>, node: SimNode<N>, command: Command<'expect'>, leaves: Leaves): void {
    const { range, content, peer } = command
    const first = leaves.layout.firstLeafOf(range.piece) + range.leafStart
    for (let leaf = first; leaf < first + range.leafCount; leaf++) {
      if (!leaves.recorded.has(leaf)) continue
      throw new SimFailure({
        property: 'synced-kept',
        detail: `${node.name} requests leaf ${leaf}, which is recorded as synced`
      })
    }
    const bench = this.bench(node)
    const others = [...bench.expected.values()].filter(one => one.content === content && overlap(one.range, range))
    const twice = others.some(one => one.peer === peer)
    const doubled = others.filter(one => !this.silent(world, bench, one))
    const allowed = doubled.length === 0 || (doubled.length <= 2 && this.allAsked(world, bench, leaves, content))
    if (allowed && !twice) return
    const askedOf = others
      .map(one => `${world.nodeOf(one.peer)?.name ?? ''} since ${one.sinceMs.toFixed(0)} ms`)
      .join(', ')
    const detail = `${node.name} requests leaf ${first} outside the endgame; it is also requested from ${askedOf}`
    throw new SimFailure({ property: 'one-ask', detail })
  }

  private silent(world: World<M, C, E, N>, bench: Bench, one: Expected): boolean {
    const heardMs = bench.answeredMs.get(`${one.content} ${one.peer}`) ?? 0
    return one.released || world.timeMs - Math.max(one.sinceMs, heardMs) >= SNUB_MIN_MS * 0.99
  }

  private answered(world: World<M, C, E, N>, node: SimNode<N>, { content, peer }: Expected): void {
    const bench = this.bench(node)
    for (const one of bench.expected.values()) {
      if (one.content === content && one.peer === peer) one.released = this.silent(world, bench, one)
    }
    bench.answeredMs.set(`${content} ${peer}`, world.timeMs)
  }

  /** Expectations that ended at this instant count too, because the machine may not know of their end yet. */
  private allAsked(world: World<M, C, E, N>, bench: Bench, leaves: Leaves, content: ContentId): boolean {
    const asked = new Set<number>()
    const ended = bench.ended.filter(one => one.atMs === world.timeMs).map(one => one.expected)
    for (const { range, content: other } of [...bench.expected.values(), ...ended]) {
      if (other !== content) continue
      const first = leaves.layout.firstLeafOf(range.piece) + range.leafStart
      for (let i = 0; i < range.leafCount; i++) asked.add(first + i)
    }
    return leaves.firstWanted(leaf => leaves.good(leaf) || asked.has(leaf)) === undefined
  }

  /** Ends an expectation with a failure. */
  private give(world: World<M, C, E, N>, node: SimNode<N>, key: string, reason: string): void {
    const expected = this.taken(node, key)
    if (expected === undefined) return
    const bench = this.bench(node)
    if (reason !== 'forgotten') {
      bench.ended = [...bench.ended.filter(one => one.atMs === world.timeMs), { expected, atMs: world.timeMs }]
    }
    world.done(node, expected.token, { ok: false, reason, value: { written: expected.written } })
  }

  private taken(node: SimNode<N>, key: string): Expected | undefined {
    const bench = this.bench(node)
    const expected = bench.expected.get(key)
    if (expected === undefined) return undefined
    bench.expected.delete(key)
    bench.expectedBytes -= this.leaves(node, expected.content).layout.rangeBytes(expected.range)
    return expected
  }

  private stop(world: World<M, C, E, N>, node: SimNode<N>, { peer, request }: Command<'stop-upload'>): void {
    const bench = this.bench(node)
    const upload = bench.uploads.find(({ command }) => command.peer === peer && command.request === request)
    if (upload === undefined) return
    bench.uploads = bench.uploads.filter(one => one !== upload)
    world.done(node, upload.token, { ok: false, reason: 'stopped' })
  }

  /** Sends one leaf at a time; uploads take turns. */
  private send(world: World<M, C, E, N>, node: SimNode<N>): void {
    const bench = this.bench(node)
    const upload = bench.sending ? undefined : bench.uploads.shift()
    if (upload === undefined) return
    const { command } = upload
    const leaves = this.leaves(node, command.content)
    if (leaves.changed.has(command.range.piece)) {
      world.done(node, upload.token, { ok: false, reason: 'changed' })
      this.send(world, node)
      return
    }
    const leaf = command.range.leafStart + upload.sent
    const hashBytes = command.hashes && upload.sent === 0 ? leaves.layout.leavesOf(command.range.piece) * HASH_BYTES : 0
    const bytes = leaves.layout.leafBytes(command.range.piece, leaf) + FRAME_BYTES + hashBytes
    bench.sending = true
    world.after((bytes / bench.uplinkBytesPerSecond) * 1_000, node, () => {
      bench.sending = false
      this.sent(world, node, upload, bytes)
      this.send(world, node)
    })
    bench.uploads.push(upload)
  }

  private sent(world: World<M, C, E, N>, node: SimNode<N>, upload: Upload, bytes: number): void {
    const bench = this.bench(node)
    if (!bench.uploads.includes(upload)) return
    const { command } = upload
    const leaves = this.leaves(node, command.content)
    const leaf = command.range.leafStart + upload.sent
    const good = leaves.good(leaves.layout.firstLeafOf(command.range.piece) + leaf) && !this.random.chance(bench.flips)
    const hashes = command.hashes && upload.sent === 0
    upload.sent++
    this.servedLeaves[node.index] = (this.servedLeaves[node.index] ?? 0) + 1
    world.transfer(node, command.peer, bytes, at => this.arrived(world, at, node.id, { command, leaf, good, hashes }))
    if (upload.sent < command.range.leafCount) return
    bench.uploads = bench.uploads.filter(one => one !== upload)
    world.done(node, upload.token, { ok: true })
  }

  private arrived(
    world: World<M, C, E, N>,
    node: SimNode<N>,
    from: NodeId,
    { command, leaf, good, hashes }: { command: Command<'upload'>; leaf: number; good: boolean; hashes: boolean }
  ): void {
    const key = keyOf({ peer: from, request: command.request })
    const bench = this.bench(node)
    const expected = bench.expected.get(key)
    if (expected === undefined) {
      this.droppedLeaves++
      return
    }
    const { content, range } = expected
    const leaves = this.leaves(node, content)
    const pieceKey = `${content} ${range.piece}`
    if (hashes) bench.hashes.add(pieceKey)
    if (!leaves.layout.isOwnHash(range.piece) && !bench.hashes.has(pieceKey)) {
      throw new SimFailure({
        property: 'hashes-first',
        detail: `${node.name} gets a leaf of piece ${range.piece} before its hashes`
      })
    }
    if (!good) {
      this.badLeaves++
      this.give(world, node, key, 'bad-leaf')
    } else if (node.disk.full) this.give(world, node, key, 'disk-full')
    else if (leaves.isLost) this.give(world, node, key, 'lost')
    else {
      leaves.write(leaves.layout.firstLeafOf(range.piece) + leaf)
      expected.written.add(leaf - range.leafStart)
      if (expected.written.full) this.wrote(world, node, key)
    }
  }

  private wrote(world: World<M, C, E, N>, node: SimNode<N>, key: string): void {
    const expected = this.taken(node, key)
    if (expected === undefined) return
    world.after(LOCAL_MS, node, () => {
      this.answered(world, node, expected)
      world.done(node, expected.token, { ok: true })
    })
  }

  private sync(world: World<M, C, E, N>, node: SimNode<N>, token: number, { content }: Command<'sync'>): void {
    const leaves = this.leaves(node, content)
    const unsynced = leaves.unsynced()
    world.after(this.random.range(SYNC_MIN_MS, SYNC_MAX_MS) * node.disk.slowness, node, () => {
      if (leaves.isLost) {
        world.done(node, token, { ok: false, reason: 'lost' })
        return
      }
      const fails = node.disk.full && this.random.chance(FULL_SYNC_FAILS)
      if (fails) leaves.crash(this.random)
      else leaves.sync(unsynced)
      world.done(node, token, fails ? { ok: false, reason: 'disk-full' } : { ok: true })
    })
  }

  private finish(world: World<M, C, E, N>, node: SimNode<N>, token: number, { content }: Command<'finish'>): void {
    const leaves = this.leaves(node, content)
    if (leaves.isLost) {
      world.done(node, token, { ok: false, reason: 'lost' })
      return
    }
    const wrong = leaves.firstWanted(leaf => leaves.good(leaf))
    if (wrong !== undefined)
      throw new SimFailure({ property: 'no-wrong-byte', detail: `${node.name} finishes with leaf ${wrong} wrong` })
    const unsafe = leaves.firstWanted(leaf => leaves.safe(leaf))
    if (unsafe !== undefined)
      throw new SimFailure({ property: 'synced-first', detail: `${node.name} finishes with leaf ${unsafe} not synced` })
    world.after(LOCAL_MS, node, () => {
      leaves.finished = true
      world.done(node, token, { ok: true })
    })
  }
}

function keyOf({ peer, request }: { peer: NodeId; request: number }): string {
  return `${peer} ${request}`
}

function overlap(a: LeafRange, b: LeafRange): boolean {
  return a.piece === b.piece && a.leafStart < b.leafStart + b.leafCount && b.leafStart < a.leafStart + a.leafCount
}
