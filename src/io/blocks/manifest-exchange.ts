/**
 * Transfers manifests between peers, one stream each. The request is the content's id; the response is the lineage
 * claim, the raw info dictionary and the piece layers. A received manifest is kept only when the dictionary has the
 * content's hash and every layer has its root.
 */
import { hex, sha256 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Result } from '../../core/machine.ts'
import type { Contact } from '../../wire/common.ts'
import {
  MANIFEST_HEAD_BYTES,
  MANIFEST_PROTOCOL,
  MANIFEST_REQUEST_BYTES,
  manifestHead,
  manifestRequest,
  type ManifestHead
} from '../../wire/blocks.ts'
import { decode, encode } from '../../wire/codec/codec.ts'
import { DecodeError } from '../../wire/codec/cursor.ts'
import { parseInfo, type Manifest } from '../../wire/bittorrent/metainfo.ts'
import { within } from '../deadline.ts'
import { ByteReader } from '../net/stream/byte-reader.ts'
import type { ByteStream } from '../net/stream/byte-stream.ts'
import { reasonOf } from '../store/failures.ts'
import { layerBytesOf } from '../store/manifests.ts'
import type { ContentStore } from '../store/store.ts'
import type { BlockNet } from './block-net.ts'

/** Deadline for opening a stream, for writing the request, and for the first byte of the response. */
export const STEP_DEADLINE_MS = 15_000
/** Concurrent fetches. */
export const FETCHES_MAX = 4
/** Concurrent requests that are served, over all peers. */
export const SERVES_MAX = 64
/**
 * A transfer may take STEP_DEADLINE_MS plus its bytes at this rate, so that a slow peer cannot occupy a place for long.
 */
export const SLOWEST_BYTES_PER_SECOND = 128 << 10
const CHUNK_BYTES = 256 << 10

export interface ManifestExchangeOptions {
  readonly net: BlockNet
  readonly store: ContentStore
  readonly signal: AbortSignal
}

export class ManifestExchange {
  private readonly options: ManifestExchangeOptions
  private fetching = 0
  private serving = 0
  private waiting: Array<() => void> = []

  constructor(options: ManifestExchangeOptions) {
    this.options = options
  }

  /** Fetches a manifest unless it is held. Failure reasons as in core/exchange/contract.ts. Never rejects. */
  async fetch(content: ContentId, from: Contact): Promise<Result> {
    try {
      if ((await this.options.store.manifest(content)) !== undefined) return { ok: true }
    } catch (error) {
      return { ok: false, reason: failureOf(error) }
    }
    while (this.fetching >= FETCHES_MAX) await new Promise<void>(resolve => this.waiting.push(resolve))
    this.fetching++
    try {
      return await this.ask(content, from)
    } finally {
      this.fetching--
      this.waiting.shift()?.()
    }
  }

  private async ask(content: ContentId, from: Contact): Promise<Result> {
    const { net, signal } = this.options
    let stream: ByteStream | undefined
    try {
      stream = await net.openStream(from, MANIFEST_PROTOCOL, within(STEP_DEADLINE_MS, signal))
      const intake = new Intake(stream, signal)
      await stream.write(encode(manifestRequest, { content }), within(STEP_DEADLINE_MS, signal))
      return await this.take(content, intake)
    } catch (error) {
      return { ok: false, reason: failureOf(error) }
    } finally {
      stream?.abort(new Error('the exchange is complete'))
    }
  }

  private async take(content: ContentId, intake: Intake): Promise<Result> {
    const head = decode(manifestHead, await intake.read(MANIFEST_HEAD_BYTES))
    if (head.status === 'not-held') return { ok: false, reason: 'not-held' }
    const lineage = await intake.read(head.lineageBytes)
    const info = await intake.read(head.infoBytes)
    const manifest = this.parsed(content, info)
    // Checked before the layers are read: they may be the longer part.
    if (manifest.contentId !== content || head.layerBytes !== layerBytesOf(manifest))
      return { ok: false, reason: 'bad-manifest' }
    const layers = await intake.read(head.layerBytes)
    await this.options.store.putManifest(content, info, layers, { unlisted: head.status === 'unlisted', lineage })
    return { ok: true }
  }

  /**
   * When the dictionary has the content's hash but is invalid, no peer can provide a valid one: the store records that.
   */
  private parsed(content: ContentId, info: Uint8Array): Manifest {
    try {
      return parseInfo(info)
    } catch (error) {
      if (error instanceof ShoalError && hex(sha256(info)) === content) this.options.store.refused(content, error)
      throw error
    }
  }

  /** The handler of the protocol. Resolves when the response is sent or the stream fails. */
  async serve(_peer: NodeId, stream: ByteStream): Promise<void> {
    if (this.serving >= SERVES_MAX) {
      stream.abort(new Error('too many concurrent manifest requests'))
      return
    }
    this.serving++
    try {
      const request = await new Intake(stream, this.options.signal).read(MANIFEST_REQUEST_BYTES)
      await this.answer(stream, decode(manifestRequest, request).content)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error('the manifest stream failed'))
    } finally {
      this.serving--
    }
  }

  private async answer(stream: ByteStream, content: ContentId): Promise<void> {
    const { store, signal } = this.options
    const held = store.holding(content)?.serve === true ? await store.manifest(content) : undefined
    const lineage = held === undefined ? new Uint8Array(0) : store.lineage(content)
    const head: ManifestHead = {
      status: held === undefined ? 'not-held' : store.isUnlisted(content) ? 'unlisted' : 'ok',
      lineageBytes: lineage.length,
      infoBytes: held?.manifest.raw.length ?? 0,
      layerBytes: held?.layers.length ?? 0
    }
    const deadline = within(deadlineMs(lineage.length + head.infoBytes + head.layerBytes), signal)
    await stream.write(encode(manifestHead, head), deadline)
    for (const part of held === undefined ? [] : [lineage, held.manifest.raw, held.layers]) {
      for (let at = 0; at < part.length; at += CHUNK_BYTES) {
        await stream.write(part.subarray(at, at + CHUNK_BYTES), deadline)
      }
    }
    await stream.close(deadline)
  }
}

function deadlineMs(bytes: number): number {
  return STEP_DEADLINE_MS + Math.ceil((bytes / SLOWEST_BYTES_PER_SECOND) * 1_000)
}

function failureOf(error: unknown): string {
  if (error instanceof DecodeError) return 'bad-manifest'
  if (error instanceof ShoalError)
    return error.code === 'integrity' || error.code === 'bad-input' ? 'bad-manifest' : 'link'
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) && !/^E(CONN|PIPE|HOST|NET|TIMEDOUT)/.test(code)
    ? reasonOf(error)
    : 'link'
}

/** Reads exact lengths from a stream, each with a deadline that grows with the length. */
class Intake {
  private readonly stream: ByteStream
  private readonly signal: AbortSignal
  private readonly reader: ByteReader

  constructor(stream: ByteStream, signal: AbortSignal) {
    this.stream = stream
    this.signal = signal
    this.reader = new ByteReader(stream.chunks(signal))
  }

  async read(length: number): Promise<Uint8Array> {
    const deadline = within(deadlineMs(length), this.signal)
    const onLate = (): void => {
      this.stream.abort(new Error('the peer is too slow'))
    }
    deadline.addEventListener('abort', onLate)
    try {
      return await this.reader.read(length)
    } finally {
      deadline.removeEventListener('abort', onLate)
    }
  }
}
