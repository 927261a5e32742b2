/**
 * Executes the commands of the exchange (core/exchange/contract.ts) and answers each with `done`.
 *
 * Purpose: transfer of blocks and manifests over byte streams, verified before they are written. Participants: the
 * exchange machine decides, the store keeps the files, the network provides streams. Non-goals: choosing peers or
 * pieces, retrying, banning. A wrong leaf fails its request; a protocol violation is reported by `misbehaved`.
 *
 * Every command is answered exactly once. `forget` and `stop-upload` are answered at once; the command that they stop
 * is answered under its own token.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { ExchangeCommand } from '../../core/exchange/contract.ts'
import type { Result } from '../../core/machine.ts'
import { BLOCKS_PROTOCOL, MANIFEST_PROTOCOL } from '../../wire/blocks.ts'
import { unreachable } from '../../base/assert.ts'
import type { ContentStore } from '../store/store.ts'
import { ManifestExchange } from './manifest-exchange.ts'
import { Receiver } from './receiver.ts'
import type { BlockNet } from './block-net.ts'
import { Traffic } from './traffic.ts'
import { Uploader, type LeafSource, type UploadOrder } from './uploader.ts'

/** Concurrent inbound streams of one peer, per protocol. */
const INBOUND_STREAMS_MAX = 4

export interface BlockEngineOptions {
  readonly net: BlockNet
  readonly store: ContentStore
  /** Never called synchronously from `execute`. */
  readonly done: (token: number, result: Result) => void
  readonly log: { readonly warn: (fields: object, message: string) => void }
  /** The source of uploaded bytes; the store unless given. */
  readonly source?: LeafSource
  /** Called with every upload that starts. */
  readonly onUpload?: (order: UploadOrder) => void
  readonly onMisbehaved?: (peer: NodeId, what: string) => void
}

export class BlockEngine {
  readonly traffic = new Traffic()
  private readonly options: BlockEngineOptions
  private readonly closing = new AbortController()
  private readonly receiver: Receiver
  private readonly uploader: Uploader
  private readonly manifests: ManifestExchange
  /** Asynchronous commands that are not answered yet. */
  private readonly running = new Set<Promise<void>>()

  constructor(options: BlockEngineOptions) {
    this.options = options
    const { net, store } = options
    const { traffic } = this
    const { signal } = this.closing
    const done = (token: number, result: Result): void => {
      this.answer(token, result)
    }
    const misbehaved = (peer: NodeId, what: string): void => {
      options.onMisbehaved?.(peer, what)
    }
    this.receiver = new Receiver({ store, done, traffic, misbehaved, signal })
    this.uploader = new Uploader({ net, source: options.source ?? store, done, traffic, signal })
    this.manifests = new ManifestExchange({ net, store, signal })
  }

  /** Registers the handlers of both protocols. Throws the network's errors. */
  async start(): Promise<void> {
    const { net } = this.options
    const limits = { maxInbound: INBOUND_STREAMS_MAX }
    await net.handle(BLOCKS_PROTOCOL, (peer, stream) => this.receiver.accept(peer, stream), limits)
    await net.handle(MANIFEST_PROTOCOL, (peer, stream) => this.manifests.serve(peer, stream), limits)
  }

  execute(token: number, command: ExchangeCommand): void {
    const { store } = this.options
    switch (command.kind) {
      case 'manifest':
        this.run(token, () => this.manifests.fetch(command.content, command.peer))
        return
      case 'prepare':
        this.run(token, () => store.prepare(command.content, command.synced))
        return
      case 'sync':
        this.run(token, () => store.sync(command.content))
        return
      case 'finish':
        this.run(token, () => store.finish(command.content))
        return
      case 'close':
        store.close(command.content)
        this.answer(token, { ok: true })
        return
      case 'expect':
        this.expect(token, command)
        return
      case 'forget':
        this.receiver.forget(command.peer, command.request)
        this.answer(token, { ok: true })
        return
      case 'upload':
        this.upload(token, command)
        return
      case 'stop-upload':
        this.uploader.stop(command.peer, command.request)
        this.answer(token, { ok: true })
        return
      default:
        unreachable(command)
    }
  }

  /** Like the command `manifest`, but called by the owner directly. Never rejects. */
  fetchManifest(content: ContentId, peer: Contact): Promise<Result> {
    return this.manifests.fetch(content, peer)
  }

  /** The connection to the peer closed: its requests and uploads fail with 'link'. */
  peerDown(peer: NodeId): void {
    this.receiver.peerDown(peer)
    this.uploader.peerDown(peer)
  }

  /** Ends all streams and waits for the running commands. */
  async close(): Promise<void> {
    this.closing.abort(new Error('closing'))
    await Promise.all(this.running)
  }

  private expect(token: number, command: ExchangeCommand & { kind: 'expect' }): void {
    const { peer, request, content, range } = command
    const layout = this.options.store.preparedLayout(content)
    if (layout?.holds(range) === true) this.receiver.expect({ token, peer, request, content, range }, layout)
    else this.answer(token, { ok: false, reason: 'disk' })
  }

  private upload(token: number, command: ExchangeCommand & { kind: 'upload' }): void {
    const { peer, request, content, range, hashes } = command
    const order: UploadOrder = { token, peer, request, content, range, hashes }
    this.options.onUpload?.(order)
    this.uploader.upload(order)
  }

  private run(token: number, act: () => Promise<Result>): void {
    const running = act()
      .catch((error: unknown): Result => {
        this.options.log.warn({ error }, 'command failed unexpectedly')
        return { ok: false, reason: 'disk' }
      })
      .then(result => {
        this.running.delete(running)
        this.answer(token, result)
      })
    this.running.add(running)
  }

  /** Asynchronous, so that `done` is never called while the driver is inside `execute`. */
  private answer(token: number, result: Result): void {
    queueMicrotask(() => {
      this.options.done(token, result)
    })
  }
}
