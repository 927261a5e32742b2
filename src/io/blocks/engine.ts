/**
 * Carries out the commands of the exchange (core/exchange/contract.ts) and answers each with `done`.
 *
 * Purpose: blocks and manifests over libp2p streams, checked before they are written. Participants: the machine decides, the
 * store keeps the files, the network gives streams. Non-goals: choosing peers or pieces, retrying, judging: a wrong leaf is
 * reported by its request, a broken protocol by `misbehaved`.
 *
 * Every command is answered exactly once; `forget` and `stop-upload` at once, and the command that they end by its own token.
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

/** Streams at once that one peer may open, of each protocol. */
const INBOUND_STREAMS_MAX = 4

export interface BlockEngineOptions {
  readonly net: BlockNet
  readonly store: ContentStore
  /** Never called from within `execute`. */
  readonly done: (token: number, result: Result) => void
  readonly log: { readonly warn: (fields: object, message: string) => void }
  /** Where uploads are read from: the store unless given. */
  readonly source?: LeafSource
  /** Called with every upload that is begun. */
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
  /** Commands that are not answered yet. */
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

  /** Serves both protocols. Throws what the network throws. */
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

  /** As the command `manifest`, for the owner's own use. Never rejects. */
  fetchManifest(content: ContentId, peer: Contact): Promise<Result> {
    return this.manifests.fetch(content, peer)
  }

  /** The connection to the peer is gone: its requests and uploads end with 'link'. */
  peerDown(peer: NodeId): void {
    this.receiver.peerDown(peer)
    this.uploader.peerDown(peer)
  }

  /** Ends all streams and waits for what the disk still does. */
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

  /** In a turn of its own: the driver may be in the middle of something. */
  private answer(token: number, result: Result): void {
    queueMicrotask(() => {
      this.options.done(token, result)
    })
  }
}
