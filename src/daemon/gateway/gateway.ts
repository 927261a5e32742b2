/**
 * Contents by HTTP, read only: `GET` and `HEAD` of `/content/ID/PATH`, as Gnutella hands over files, with ranges, entity tags and types. Also of
 * what is still being fetched: what the reader needs next comes first.
 *
 * Participants: the control socket and a listener on loopback (listener.ts) hand requests over; place.ts says what a path means, range.ts what of
 * it is asked, headers.ts what is said beside the bytes, reading.ts brings them. Non-goals: fetching what is not held (`shoal get` and
 * `shoal cat` do), other nodes as readers (they use the exchange), writing.
 *
 * Names and bytes are anybody's making: nothing of them reaches a header or a page unescaped.
 */
import type http from 'node:http'
import { ShoalError } from '../../base/errors.ts'
import type { Manifest, ManifestFile } from '../../wire/bittorrent/metainfo.ts'
import { errorLine } from '../../wire/control/methods.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import type { ContentId } from '../../base/ids.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { Services } from '../control/services.ts'
import { fileHeaders, pageHeaders, tagOf, type Headers } from './headers.ts'
import { listingOf, listingPage } from './listing.ts'
import { encodedPath, findIn, parsePlace, CONTENT_PREFIX, type Place } from './place.ts'
import { askedOf, hasTag, type Asked, type Span } from './range.ts'
import { PROGRESS_DEADLINE_MS, Reading, refuseUnreadable } from './reading.ts'

/** A client that takes nothing for so long is gone. */
export const SEND_STALL_MS = 60_000
const METHODS = 'GET, HEAD'

export interface GatewayCall {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  /** Aborted when the client hung up or the server closes. */
  readonly signal: AbortSignal
}

export interface GatewayOptions {
  readonly services: Services
  /** For tests. */
  readonly deadlineMs?: number
  readonly stallMs?: number
}

export type Gateway = (call: GatewayCall) => Promise<void>

export function isContentUrl(url: string | undefined): boolean {
  return url?.startsWith(CONTENT_PREFIX) === true || url === CONTENT_PREFIX.slice(0, -1)
}

/** The returned handler never rejects: every end is an answer, or a connection that ends with a line in the log. */
export function openGateway(options: GatewayOptions): Gateway {
  const { services } = options
  return async call => {
    const { request, response, signal } = call
    // A body is of no use to us, and must not be waited for.
    request.resume()
    try {
      await answer(call, options)
    } catch (error) {
      if (signal.aborted || response.destroyed) {
        response.destroy()
        return
      }
      const told = shoalError(error)
      if (told.code === 'internal') services.log.error({ err: error, url: request.url }, 'the gateway failed')
      if (response.headersSent) {
        services.log.warn({ url: request.url, code: told.code, problem: told.message }, 'a reader was cut off')
        response.destroy()
      } else refuse(call, STATUS[told.code] ?? 500, told)
    }
  }
}

/** As curl and browsers know them; the line says more. */
const STATUS: Readonly<Record<string, number>> = {
  usage: 400,
  'bad-input': 400,
  'not-found': 404,
  conflict: 409,
  integrity: 409,
  timeout: 504,
  busy: 503,
  limit: 503
}

function shoalError(error: unknown): ShoalError {
  if (error instanceof ShoalError) return error
  const what = error instanceof Error ? error.message : String(error)
  return new ShoalError('internal', `a fault of the daemon: ${what}`, { cause: error })
}

async function answer(call: GatewayCall, options: GatewayOptions): Promise<void> {
  const { request, response, signal } = call
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    refuse(call, 405, new ShoalError('usage', 'contents are read only', { hint: METHODS }), { allow: METHODS })
    return
  }
  const place = parsePlace(request.url ?? '')
  const manifest = await manifestOf(options, place, signal)
  const found = findIn(manifest, place.names)
  if (found === undefined || (found.kind === 'file' && place.asFolder && place.names.length > 0)) {
    throw new ShoalError('not-found', `the content has no ${JSON.stringify(place.names.join('/').slice(0, 80))}`, {
      hint: `its files: shoal ls ${place.content}`
    })
  }
  if (found.kind === 'file') {
    await file({ call, options, manifest, entry: found.entry }, found.file)
    return
  }
  if (!place.asFolder) {
    const to = CONTENT_PREFIX + [place.content, ...(place.names.length > 0 ? [encodedPath(place.names)] : [])].join('/')
    response.writeHead(301, { ...pageHeaders('text/plain', Buffer.alloc(0)), location: `${to}/` }).end()
    return
  }
  const listing = listingOf(manifest, found.folder)
  const { name } = manifest
  if (wantsJson(request)) {
    page(
      call,
      200,
      'application/json',
      JSON.stringify({ v: 1, id: place.content, path: place.names, name, ...listing })
    )
  } else page(call, 200, 'text/html', listingPage([name, ...place.names], listing))
}

/** Of what is held, or on its way: then it is waited for. */
async function manifestOf(
  { services, deadlineMs }: GatewayOptions,
  { content }: Place,
  signal: AbortSignal
): Promise<Manifest> {
  const { store, downloads } = services
  const late = AbortSignal.timeout(deadlineMs ?? PROGRESS_DEADLINE_MS)
  while (store.holding(content) !== undefined) {
    const changed = changeOf(store, content, AbortSignal.any([signal, late]))
    const held = await store.manifest(content)
    if (held !== undefined) return held.manifest
    if (late.aborted || signal.aborted) {
      throw new ShoalError('timeout', `nobody gave the list of files of ${content} yet`, {
        hint: 'try again in a moment'
      })
    }
    await changed
  }
  throw (
    downloads.failure(content)?.problem ??
    new ShoalError('not-found', `this node neither holds nor fetches ${content}`, { hint: `shoal get ${content}` })
  )
}

/** Resolves with the next change of the content in the store, from the call on, or when the signal aborts. */
function changeOf(store: ContentStore, content: ContentId, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      unwatch()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const unwatch = store.watch(changed => {
      if (changed === content) end()
    })
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

interface FileCall {
  readonly call: GatewayCall
  readonly options: GatewayOptions
  readonly manifest: Manifest
  readonly entry: ManifestFile
}

async function file(of: FileCall, index: number): Promise<void> {
  const { call, options, manifest, entry } = of
  const { request, response } = call
  const { services, deadlineMs } = options
  const headers = fileHeaders(manifest, entry)
  const tag = tagOf(manifest, entry)
  const { 'if-none-match': ifNoneMatch } = request.headers
  if (ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || hasTag(ifNoneMatch, tag))) {
    response.writeHead(304, headers).end()
    return
  }
  const readable = { content: manifest.contentId, file: index, layout: manifest.layout }
  await refuseUnreadable(services, readable)
  const asked = rangeOf(request, tag, entry.lengthBytes)
  if (asked.kind === 'unsatisfiable') {
    const range = { 'content-range': `bytes */${entry.lengthBytes}` }
    refuse(call, 416, new ShoalError('usage', `the file has ${entry.lengthBytes} bytes`), range)
    return
  }
  const span = asked.kind === 'part' ? asked.span : { start: 0, end: entry.lengthBytes }
  const { status, said } = headOf(asked, span, entry.lengthBytes)
  if (request.method === 'HEAD') {
    response.writeHead(status, { ...headers, ...said }).end()
    return
  }
  const reading = new Reading(services, readable, deadlineMs === undefined ? {} : { deadlineMs })
  await send(of, reading.bytes(span, call.signal), () => response.writeHead(status, { ...headers, ...said }))
}

/** RFC 9110: only GET has ranges, and a range of another version is the whole of this one. */
function rangeOf({ method, headers }: http.IncomingMessage, tag: string, lengthBytes: number): Asked {
  const ifRange = headers['if-range']
  const isOther = ifRange !== undefined && ifRange !== tag
  return method === 'HEAD' || isOther ? { kind: 'whole' } : askedOf(headers.range, lengthBytes)
}

function headOf(asked: Asked, { start, end }: Span, lengthBytes: number): { status: number; said: Headers } {
  if (asked.kind !== 'part') return { status: 200, said: { 'content-length': lengthBytes } }
  const range = `bytes ${start}-${end - 1}/${lengthBytes}`
  return { status: 206, said: { 'content-length': end - start, 'content-range': range } }
}

/** The head goes out with the first bytes, so that a wait for these can still become an error. */
async function send(
  { call: { response, signal }, options: { services, stallMs } }: FileCall,
  chunks: AsyncGenerator<Uint8Array>,
  head: () => void
): Promise<void> {
  for await (const chunk of chunks) {
    if (!response.headersSent) head()
    const end = await written(response, chunk, signal, stallMs ?? SEND_STALL_MS)
    if (end === 'late')
      services.log.info({ stallMs: stallMs ?? SEND_STALL_MS }, 'a reader took nothing, and was cut off')
    if (end !== 'written') {
      response.destroy()
      return
    }
  }
  if (signal.aborted) {
    response.destroy()
    return
  }
  if (!response.headersSent) head()
  response.end()
}

/** `written`: the system has all of the chunk, whose bytes are free again. `late`: the client did not take it in time. */
function written(
  response: http.ServerResponse,
  chunk: Uint8Array,
  signal: AbortSignal,
  stallMs: number
): Promise<'written' | 'late' | 'gone'> {
  return new Promise(resolve => {
    const end = (how: 'written' | 'late' | 'gone') => (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', gone)
      resolve(how)
    }
    const [wrote, gone] = [end('written'), end('gone')]
    const timer = setTimeout(end('late'), stallMs)
    signal.addEventListener('abort', gone)
    response.write(chunk, error => {
      if (error) gone()
      else wrote()
    })
    if (signal.aborted) gone()
  })
}

function wantsJson({ headers }: http.IncomingMessage): boolean {
  return /\bapplication\/(json|x-ndjson)\b/.test(headers.accept ?? '')
}

/** One line that says what happened, and one that says what to do next. */
export function refuse(
  { request, response }: GatewayCall,
  status: number,
  error: ShoalError,
  more: Headers = {}
): void {
  const { message, hint } = error
  const body = wantsJson(request)
    ? `${JSON.stringify(errorLine(error))}\n`
    : `${escapeForTerminal(message)}\n${hint === undefined ? '' : `${escapeForTerminal(hint)}\n`}`
  page({ request, response }, status, wantsJson(request) ? 'application/json' : 'text/plain', body, more)
}

function page(
  { request, response }: Pick<GatewayCall, 'request' | 'response'>,
  status: number,
  type: 'text/html' | 'text/plain' | 'application/json',
  text: string,
  more: Headers = {}
): void {
  if (response.destroyed || response.writableEnded) return
  const body = Buffer.from(text)
  response.writeHead(status, { ...pageHeaders(type, body), ...more })
  response.end(request.method === 'HEAD' ? undefined : body)
}
