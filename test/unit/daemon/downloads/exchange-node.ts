/**
 * A node for the tests of the downloads: the real exchange over a real store, with a clock that the test moves and one peer that
 * does what the test says. Nothing goes over a network.
 */
import { expectDefined } from '../../../../src/base/assert.ts'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { ContentId, NodeId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { ExchangeCommand, ExchangeEvent, Progress, Shortage } from '../../../../src/core/exchange/contract.ts'
import { Exchange } from '../../../../src/core/exchange/exchange.ts'
import { exchangeDefaults } from '../../../../src/core/exchange/settings.ts'
import type { Effect, Now, Result } from '../../../../src/core/machine.ts'
import type { DownloadNode } from '../../../../src/daemon/downloads/node.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import type { ExchangeMessage } from '../../../../src/wire/exchange.ts'
import type { Layout, PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { bytesOf, leafHashesOf, type Made, type Place } from '../../io/store/contents.ts'

const SELF = '00'.repeat(32) as NodeId
const PERSIST_PREFIX = 'node/exchange/'

export const PEER: Contact = { id: '11'.repeat(32) as NodeId, address: { host: '127.0.0.1', port: 4001 } }

/** What the peer does when a block is asked of it. withdrawn: it says that it no longer holds any piece. */
export type PeerMode = 'gives' | 'silent' | 'lies' | 'withdrawn'

type ExpectCommand = ExchangeCommand & { kind: 'expect' }

export class ExchangeNode implements DownloadNode {
  peer: PeerMode = 'gives'
  /** How the disk answers writes. */
  disk: 'works' | 'disk-full' | 'disk' = 'works'
  /** The contents whose own manifest is refused. */
  readonly refused = new Set<ContentId>()
  private readonly place: Place
  private readonly made = new Map<ContentId, Made>()
  private readonly exchange: Exchange
  private readonly watchers = new Set<(event: ExchangeEvent) => void>()
  private readonly expected = new Map<number, { token: number; command: ExpectCommand }>()
  private readonly inputs: Array<() => void> = []
  private readonly underway = new Set<Promise<void>>()
  private monoMs = 0
  private running = false
  private closed = false

  constructor(place: Place, contents: readonly Made[]) {
    this.place = place
    for (const made of contents) this.made.set(made.id, made)
    const restored = new Map(
      Array.from(place.db.scan(PERSIST_PREFIX), ([key, value]) => [key.slice(PERSIST_PREFIX.length), value])
    )
    const none = (): never => {
      throw new Error('the exchange signs nothing')
    }
    this.exchange = new Exchange(
      {
        ...{ self: { id: SELF, address: { host: '127.0.0.1', port: 1 } }, random: Random.from('node'), restored },
        ...{ signer: { id: SELF, sign: none }, verifier: { verify: none } }
      },
      { settings: exchangeDefaults },
      this.now
    )
  }

  get now(): Now {
    return { mono: instant(this.monoMs), wall: wallMs(0) }
  }

  // What the downloads ask

  fetch(content: ContentId): void {
    this.command(at => {
      this.exchange.get(content, at)
    })
  }

  seed(content: ContentId, layout: Layout): void {
    this.command(at => {
      this.exchange.seed(content, layout, at)
    })
  }

  pause(content: ContentId): void {
    this.command(at => {
      this.exchange.pause(content, at)
    })
  }

  resume(content: ContentId): void {
    this.command(at => {
      this.exchange.resume(content, at)
    })
  }

  remove(content: ContentId): void {
    this.command(at => {
      this.exchange.remove(content, at)
    })
  }

  sources(content: ContentId, contacts: readonly Contact[]): void {
    this.command(at => {
      this.exchange.sources(content, contacts, at)
    })
  }

  progress(content: ContentId): Progress | undefined {
    return this.exchange.progress(content, this.now)
  }

  banned(content: ContentId): Set<NodeId> {
    const bans = this.exchange.banned(this.now).filter(ban => ban.content === content || ban.content === 'everywhere')
    return new Set(bans.map(({ peer }) => peer))
  }

  shortage(content: ContentId): Shortage | undefined {
    return this.exchange.shortage(content)
  }

  nameOf(peer: NodeId): string {
    return peer === PEER.id ? 'ant' : peer
  }

  watch(watcher: (event: ExchangeEvent) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  /** As the hint of the runtime. */
  hint<T>(_otherwise: T, act: (node: { readonly exchange: Exchange }, at: Now) => T): T {
    return this.call(act)
  }

  /** As the call of the runtime, for what reads along. */
  call<T>(act: (node: { readonly exchange: Exchange }, at: Now) => T): T {
    let answer: { value: T } | undefined
    this.command(at => {
      answer = { value: act({ exchange: this.exchange }, at) }
    })
    return expectDefined(answer, 'an input is applied at once').value
  }

  // What the test does

  role(content: ContentId): 'seed' | 'download' | undefined {
    return this.exchange.contents(this.now).find(one => one.content === content)?.role
  }

  /** Milliseconds. */
  get nowMs(): number {
    return this.monoMs
  }

  /** As when a piece that is served could not be read. */
  tellChanged(content: ContentId, piece: PieceIndex): void {
    for (const watcher of this.watchers) watcher({ kind: 'changed', content, piece })
  }

  /** Moves the clock. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= 250) {
      this.monoMs += Math.min(250, left)
      this.input(at => {
        this.exchange.wake(at)
      })
    }
  }

  /** The peer answers what it was silent about: all of it, and what is asked later; or `only` so many requests. */
  speak(only?: number): void {
    if (only === undefined) this.peer = 'gives'
    for (const { token, command } of [...this.expected.values()].slice(0, only)) this.answer(token, command)
  }

  /** The peer refuses what it was silent about. */
  refuseRequests(): void {
    for (const [request, { token }] of [...this.expected]) {
      this.expected.delete(request)
      this.later(token, async () => ({ ok: false, reason: 'not-held' }))
    }
  }

  /** Resolves when the store does nothing for the node. */
  async idle(): Promise<void> {
    while (this.underway.size > 0) await Promise.all(this.underway)
  }

  async close(): Promise<void> {
    this.closed = true
    await this.idle()
  }

  // The driver

  /** As the daemon's driver: an input from within a watcher is applied later, so its answer would be missing. */
  private command(apply: (at: Now) => void): void {
    if (this.running) throw new Error('a command from within a watcher')
    if (this.closed) throw new Error('a command after the end')
    this.input(apply)
  }

  private input(apply: (at: Now) => void): void {
    if (this.closed) return
    this.inputs.push(() => {
      apply(this.now)
    })
    if (this.running) return
    this.running = true
    for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) {
      next()
      for (const effect of this.exchange.drain()) this.carryOut(effect)
    }
    this.running = false
  }

  private done(token: number, result: Result): void {
    this.input(at => {
      this.exchange.done(token, result, at)
    })
  }

  private carryOut(effect: Effect<ExchangeMessage, ExchangeCommand, ExchangeEvent>): void {
    switch (effect.kind) {
      case 'emit':
        for (const watcher of this.watchers) watcher(effect.event)
        return
      case 'persist':
        this.later(effect.token, () => this.place.db.put(PERSIST_PREFIX + effect.key, effect.value))
        return
      case 'send':
        if (effect.message.kind === 'interested') this.introduce(effect.message.content)
        return
      case 'command':
        this.execute(effect.token, effect.command)
    }
  }

  /** The peer says what it holds. */
  introduce(content: ContentId): void {
    const made = this.made.get(content)
    const gone =
      this.peer === 'withdrawn' && made !== undefined ? [{ kind: 'gone' as const, content, pieces: pieces(made) }] : []
    for (const message of [{ kind: 'have-all' as const, content }, ...gone, { kind: 'unchoke' as const }]) {
      this.input(at => {
        this.exchange.receive(PEER, 'stream', message, at)
      })
    }
  }

  private later(token: number, act: () => Promise<Result>): void {
    const work = act().then(result => {
      this.underway.delete(work)
      this.done(token, result)
    })
    this.underway.add(work)
  }

  private execute(token: number, command: ExchangeCommand): void {
    const { store } = this.place
    switch (command.kind) {
      case 'prepare':
        this.later(token, () => store.prepare(command.content, command.synced))
        return
      case 'sync':
        this.later(token, () => store.sync(command.content))
        return
      case 'finish':
        this.later(token, () => store.finish(command.content))
        return
      case 'close':
        store.close(command.content)
        this.later(token, async () => ({ ok: true }))
        return
      case 'manifest':
        this.later(token, () => this.manifest(command.content))
        return
      case 'expect':
        this.expected.set(command.request, { token, command })
        if (this.peer !== 'silent') this.answer(token, command)
        return
      case 'forget': {
        const forgotten = this.expected.get(command.request)
        this.expected.delete(command.request)
        this.later(token, async () => ({ ok: true }))
        if (forgotten !== undefined) this.later(forgotten.token, async () => ({ ok: false, reason: 'forgotten' }))
        return
      }
      case 'upload':
      case 'stop-upload':
        throw new Error('nobody asks this node for anything')
    }
  }

  private async manifest(content: ContentId): Promise<Result> {
    const made = this.made.get(content)
    if (this.refused.has(content)) {
      this.place.store.refused(content, new ShoalError('bad-input', 'the manifest has a forbidden name'))
      return { ok: false, reason: 'bad-manifest' }
    }
    if (made === undefined) return { ok: false, reason: 'not-held' }
    await this.place.store.putManifest(content, made.info, made.layers)
    return { ok: true }
  }

  private answer(token: number, command: ExpectCommand): void {
    this.expected.delete(command.request)
    this.later(token, () => this.write(command))
  }

  private async write({ content, range }: ExpectCommand): Promise<Result> {
    const made = this.made.get(content)
    const nothing = new Bitfield(range.leafCount)
    if (made === undefined || this.peer === 'lies')
      return { ok: false, reason: 'bad-leaf', value: { written: nothing } }
    if (this.disk !== 'works') return { ok: false, reason: this.disk, value: { written: nothing } }
    const { piece, leafStart, leafCount } = range
    const kept = await this.place.store.keepLeafHashes(content, piece, leafHashesOf(made, piece))
    if (!kept.ok) return kept
    return this.place.store.write(content, { piece, leafStart }, bytesOf(made, piece, leafStart, leafCount))
  }
}

export function pieces(made: Made): PieceIndex[] {
  return Array.from({ length: made.layout.pieces }, (_, piece) => piece as PieceIndex)
}
