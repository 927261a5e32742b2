/**
 * `cat`: the bytes of one file of a content to stdout, while it is being fetched too. The daemon makes the file readable for as long as
 * this listens; the bytes come by HTTP over the same socket, and are asked for again from where they were cut off.
 */
import { once } from 'node:events'
import { ShoalError } from '../../base/errors.ts'
import type { EventOf } from '../../wire/control/methods.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { bytesOf } from '../client/stream.ts'

export interface CatOptions {
  range?: string
  offset?: number
  length?: number
}

interface Opened {
  readonly url: string
  readonly bytes: number
}

export async function cat(context: Context, target: string, options: CatOptions): Promise<void> {
  const { output, signal } = context
  if (output.mode === 'json') {
    throw new ShoalError('usage', 'cat prints bytes, and no JSON', { hint: '`shoal ls ID --json` lists the files' })
  }
  const slice = sliceOf(options)
  const lease = new AbortController()
  const opened = Promise.withResolvers<Opened>()
  const onEvent = (event: EventOf<'cat'>): void => {
    if (event.event === 'waiting') output.note(`waiting for ${escapeForTerminal(event.for)}`)
    else opened.resolve(event)
  }
  const asked = askDaemon(context, 'cat', wordsOf(target), { signal: AbortSignal.any([signal, lease.signal]), onEvent })
  asked.then(() => opened.reject(new ShoalError('unreachable', 'the daemon stops')), opened.reject)
  try {
    await copy(context, await opened.promise, slice)
  } finally {
    lease.abort()
    await asked.catch(() => undefined)
  }
}

/** `ID`, `ID/PATH`, `NAME`, `NAME/PATH`: no name has a slash. */
function wordsOf(target: string): { what: string; path?: string } {
  const slash = target.startsWith('magnet:') ? -1 : target.indexOf('/')
  if (slash < 0) return { what: target }
  const path = target.slice(slash + 1)
  return { what: target.slice(0, slash), ...(path === '' ? {} : { path }) }
}

/** Of a file of that length: the first byte, and one past the last. */
type Slice = (bytes: number) => { start: number; end: number }

/** Throws ShoalError 'usage'. */
function sliceOf({ range, offset, length }: CatOptions): Slice {
  if (range === undefined) {
    const start = offset ?? 0
    return bytes => ({ start, end: Math.min(bytes, start + (length ?? bytes)) })
  }
  if (offset !== undefined || length !== undefined) {
    throw new ShoalError('usage', '--range says where to begin and to end already', { hint: 'shoal cat --help' })
  }
  const [, first = '', last = ''] = /^([0-9]{0,15})-([0-9]{0,15})$/.exec(range) ?? []
  const isBackwards = first !== '' && last !== '' && Number(last) < Number(first)
  if ((first === '' && last === '') || isBackwards) {
    throw new ShoalError('usage', `no range of bytes: ${JSON.stringify(range)}`, { hint: 'A-B with both, A- or -LAST' })
  }
  if (first === '') return bytes => ({ start: Math.max(0, bytes - Number(last)), end: bytes })
  return bytes => ({ start: Number(first), end: last === '' ? bytes : Math.min(bytes, Number(last) + 1) })
}

async function copy(context: Context, { url, bytes }: Opened, slice: Slice): Promise<void> {
  const { home, startHint, signal, stdout } = context
  const { start, end } = slice(bytes)
  if (start > bytes) throw new ShoalError('usage', `the file has ${bytes} bytes, and none from ${start} on`)
  let at = start
  try {
    while (at < end) {
      const before = at
      for await (const chunk of bytesOf({ home, startHint, url, start: at, end, signal })) {
        at += chunk.length
        if (!stdout.write(chunk)) await once(stdout, 'drain', { signal })
      }
      // What was cut off says why when it is asked again; one that gives nothing and no reason is no daemon of ours.
      if (at === before)
        throw new ShoalError('unreachable', `the daemon cut it off at byte ${at}`, { hint: 'its log says why' })
    }
  } catch (error) {
    if (!signal.aborted) throw error
    throw new ShoalError('interrupted', `interrupted after ${at - start} bytes`, {
      hint: `--offset ${at} goes on`,
      cause: error
    })
  }
}
