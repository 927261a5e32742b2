/** One request and one response per stream, one frame each. Both have a size limit and a deadline. */
import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { peerIdText, type NodeId } from '../../../base/ids.ts'
import { ShoalError } from '../../../base/errors.ts'
import type { Contact } from '../../../wire/common.ts'
import { ChunkReader } from './chunk-reader.ts'
import { frame, frames } from './frames.ts'
import { writeAll } from './write.ts'
import type { Libp2pHost } from '../host.ts'

/** Deadline for a whole request, on both sides. */
export const REQUEST_MS = 60_000
export const REQUEST_BYTES_MAX = 1 << 20

export interface RequestOptions {
  /** Limit of the response; a longer one is refused before it is read. */
  readonly maxResponseBytes: number
  readonly signal: AbortSignal
}

export interface ServeOptions {
  readonly maxRequestBytes?: number
  /** Concurrent requests of one peer. */
  readonly maxInbound?: number
}

/** A rejection aborts the stream without an answer, and the requester gets 'unreachable'. */
export type RequestHandler = (peer: NodeId, body: Uint8Array) => Promise<Uint8Array>

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** The only frame on the stream. */
function oneFrame(stream: Stream, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  return pipe(new ChunkReader(stream).chunks(signal), frames({ maxBytes }), first)
}

async function first(payloads: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  for await (const payload of payloads) return payload
  throw new ShoalError('unreachable', 'the stream ended without a frame')
}

/** Throws ShoalError 'unreachable', 'not-admitted' or 'limit', or the signal's reason. */
export async function request(
  host: Libp2pHost,
  to: Contact,
  protocol: string,
  body: Uint8Array,
  options: RequestOptions
): Promise<Uint8Array> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(REQUEST_MS)])
  const stream = await host.open(to, protocol, signal)
  try {
    await writeAll(stream, frame(body), signal)
    const response = await oneFrame(stream, options.maxResponseBytes, signal)
    await stream.close({ signal })
    return response
  } catch (error) {
    stream.abort(asError(error))
    options.signal.throwIfAborted()
    if (error instanceof ShoalError && error.code === 'limit') throw error
    throw new ShoalError('unreachable', `${peerIdText(to.id)} did not answer a ${protocol} request`, { cause: error })
  }
}

export async function serve(
  host: Libp2pHost,
  protocol: string,
  handler: RequestHandler,
  options: ServeOptions = {}
): Promise<void> {
  const maxBytes = options.maxRequestBytes ?? REQUEST_BYTES_MAX
  const onStream = async (peer: NodeId, stream: Stream): Promise<void> => {
    const signal = AbortSignal.timeout(REQUEST_MS)
    try {
      const response = await handler(peer, await oneFrame(stream, maxBytes, signal))
      await writeAll(stream, frame(response), signal)
      await stream.close({ signal })
    } catch (error) {
      stream.abort(asError(error))
    }
  }
  await host.handle(protocol, onStream, options.maxInbound)
}
