/** Writes to libp2p streams with a bounded buffer. */
import type { MessageStream, StreamCloseEvent } from '@libp2p/interface'
import { endedEarly } from './chunk-reader.ts'

/**
 * Resolves when the muxer has taken all of `chunk` and can take more. At most one call at a time per stream. Throws
 * ShoalError 'unreachable' when the stream ends, or the signal's reason; an unknown part of `chunk` was sent then.
 *
 * The library's `onDrain` always returns its first promise, so this function waits for the 'drain' event itself,
 * repeatedly until no bytes are left.
 */
export async function writeAll(stream: MessageStream, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (stream.send(chunk)) return
  while (stream.writableNeedsDrain || stream.writeBufferLength > 0) {
    if (stream.status !== 'open') throw endedEarly()
    await drained(stream, signal)
  }
}

function drained(stream: MessageStream, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  const onDrain = (): void => resolve(undefined)
  const onClose = (event: StreamCloseEvent): void => reject(endedEarly(event.error))
  const onAbort = (): void => reject(signal.reason as Error)
  stream.addEventListener('drain', onDrain)
  stream.addEventListener('close', onClose)
  signal.addEventListener('abort', onAbort)
  return promise.finally(() => {
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('close', onClose)
    signal.removeEventListener('abort', onAbort)
  })
}
