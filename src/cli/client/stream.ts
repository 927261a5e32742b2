/** Bytes of a content, over the socket of the daemon. */
import http from 'node:http'
import { ShoalError } from '../../base/errors.ts'
import { answerLine } from '../../wire/control/line.ts'
import { misfit } from '../../wire/control/check.ts'
import { interrupted, socketOf } from './transport.ts'

export interface Part {
  /** Absolute. */
  readonly home: string
  readonly startHint: string
  /** From the event `open` of the daemon. */
  readonly url: string
  /** The first byte, and one past the last. */
  readonly start: number
  readonly end: number
  readonly signal: AbortSignal
}

/** Longer answers are not from a daemon of Shoal. */
const ERROR_BYTES_MAX = 64 * 1024

/**
 * Yields the bytes of the part in order, and ends early when the connection ends early. Throws the ShoalError of the daemon's refusal,
 * `unreachable`, or `interrupted`.
 */
export async function* bytesOf(part: Part): AsyncGenerator<Uint8Array, void, void> {
  const response = await get(part)
  if (response.statusCode !== 206) throw await refusalIn(response)
  try {
    for await (const chunk of response) if (chunk instanceof Uint8Array) yield chunk
  } catch (cause) {
    if (part.signal.aborted) throw interrupted(cause)
  }
}

function get({ home, startHint, url, start, end, signal }: Part): Promise<http.IncomingMessage> {
  const headers = { host: 'shoal', accept: 'application/json', range: `bytes=${start}-${end - 1}` }
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath: socketOf(home, startHint), path: url, headers, signal, agent: false })
    request.once('response', resolve)
    request.once('error', cause => {
      if (signal.aborted) reject(interrupted(cause))
      else
        reject(
          new ShoalError('unreachable', 'the daemon does not answer', { hint: `start it again: ${startHint}`, cause })
        )
    })
  })
}

async function refusalIn(response: http.IncomingMessage): Promise<ShoalError> {
  const line = answerLine(await textOf(response))
  return line.kind === 'error' ? line.error : misfit()
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk)
    if (text.length > ERROR_BYTES_MAX) break
  }
  return text
}
