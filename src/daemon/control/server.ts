/**
 * The control API's server: HTTP/1.1 on a Unix socket, a handler per method, answers as lines of JSON (wire/control/methods.ts); and
 * routes beside them: the bytes of contents (gateway/gateway.ts), health and metrics (ops/routes.ts).
 *
 * Whoever can open the socket is the owner of the node, so nothing is authenticated; but a client may be slow, broken or
 * gone, and costs no more than the limits below. A client that hangs up aborts `signal`, which ends what only it was
 * waiting for: a handler never stops the work that the client had started because of it.
 */
import { chmodSync, lstatSync, unlinkSync, type Stats } from 'node:fs'
import http from 'node:http'
import { assert, AssertionError } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import {
  CONTROL_BODY_BYTES_MAX,
  CONTROL_VERSION,
  errorLine,
  isMethod,
  parseParams,
  type ControlMethod,
  type EventOf,
  type Params,
  type ResultOf
} from '../../wire/control/methods.ts'
import { guarded, PRIVATE_FILE_MODE } from '../home/files.ts'

/** Sockets that are open; the system drops more. Twice the calls, so that one too many still hears `busy`. */
export const CONTROL_CONNECTIONS_MAX = 128
/** Calls under way, most of them followers. */
export const CONTROL_CALLS_MAX = 64
/** A client has so long to send its question; it lies on the same machine. */
const REQUEST_TIMEOUT_MS = 10_000
/** Events for a client that does not read are dropped beyond this; its answer never is. */
export const CONTROL_UNREAD_BYTES_MAX = 1 << 20

/** A call of one method under way. */
export interface Call<M extends ControlMethod> {
  /** Aborted when the client hung up or the server closes. */
  readonly signal: AbortSignal
  /** Sends a line before the answer. It is dropped while the client does not read. */
  readonly emit: (event: EventOf<M>) => void
}

export type Handlers = {
  readonly [M in ControlMethod]: (params: Params<M>, call: Call<M>) => Promise<ResultOf<M>>
}

/** What is no method: beside the calls, on the same socket. */
export interface Route {
  /** Of the request's target, query and all. */
  readonly match: (url: string) => boolean
  /** Any HTTP method. Ends the response. Never throws; `signal` aborts when the client hung up or the server closes. */
  readonly handle: (request: http.IncomingMessage, response: http.ServerResponse, signal: AbortSignal) => void
}

export interface ControlServer {
  /** Whether the file that clients open is still this server's. */
  readonly isBound: () => boolean
  /** Binds again, at this path; calls under way go on. Throws ShoalError as serveControl. */
  rebind(socket: string): Promise<void>
  /**
   * Takes no more calls, aborts those under way with `reason`, gives them `graceMs` to end with their answers. A call that has
   * no answer of its own answers with the reason. Idempotent.
   */
  close(graceMs: number, reason?: ShoalError): Promise<void>
}

export interface ControlServerOptions {
  /** The lock of the home must be held: what lies at this path is a dead daemon's. */
  socket: string
  handlers: Handlers
  /** The first that matches answers. */
  routes?: readonly Route[]
  /** Resolves when the daemon can carry out the method. Throws ShoalError. */
  admit?: (method: ControlMethod, signal: AbortSignal) => Promise<void>
  /** Faults of ours: everything but a ShoalError and the end of the call. The caller gets `internal`. */
  onFault: (error: unknown, method: ControlMethod | undefined) => void
}

/** Resolves once the socket takes calls. Throws ShoalError when the path is taken by something that is no socket. */
export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  const { socket } = options
  const calls = new Map<http.ServerResponse, AbortController>()
  const server = http.createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS })
  server.maxConnections = CONTROL_CONNECTIONS_MAX
  server.on('request', (request, response) => {
    const stop = new AbortController()
    const isOneTooMany = calls.size >= CONTROL_CALLS_MAX
    if (!isOneTooMany) calls.set(response, stop)
    response.once('close', () => {
      calls.delete(response)
      stop.abort(new ShoalError('interrupted', 'the caller hung up'))
    })
    // A client that goes away while we write is no fault.
    response.on('error', () => undefined)
    const route = isOneTooMany ? undefined : routeOf(request, options.routes)
    if (route !== undefined) {
      route.handle(request, response, stop.signal)
      return
    }
    answer({ request, response, signal: stop.signal }, options, isOneTooMany).catch((error: unknown) => {
      response.destroy()
      options.onFault(error, undefined)
    })
  })
  let bound = await bind(server, socket)
  let closing: Promise<void> | undefined
  return {
    isBound: () => isSameFile(bound.file, lstatSync(bound.socket, { throwIfNoEntry: false })),
    rebind: async again => {
      if (closing !== undefined) return
      refuseOther(again)
      // Its connections stay; closing unlinks the old path, so it comes before the new file.
      if (server.listening) server.close()
      bound = await bind(server, again)
    },
    close: (graceMs, reason) => (closing ??= close(server, calls, { graceMs, reason }))
  }
}

interface Bound {
  readonly socket: string
  readonly file: Stats | undefined
}

async function bind(server: http.Server, socket: string): Promise<Bound> {
  unlinkStale(socket)
  await listen(server, socket)
  chmodSync(socket, PRIVATE_FILE_MODE)
  return { socket, file: lstatSync(socket, { throwIfNoEntry: false }) }
}

function isSameFile(one: Stats | undefined, other: Stats | undefined): boolean {
  return one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino
}

interface Exchange {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  readonly signal: AbortSignal
}

/** Never rejects: every end of a call is a line. */
async function answer(exchange: Exchange, options: ControlServerOptions, isOneTooMany: boolean): Promise<void> {
  const { request, response } = exchange
  let method: ControlMethod | undefined
  try {
    const body = await bodyOf(request)
    method = methodOf(request)
    if (isOneTooMany) {
      throw new ShoalError('busy', `the daemon has ${CONTROL_CALLS_MAX} calls to answer`, { hint: 'try again' })
    }
    await options.admit?.(method, exchange.signal)
    const result = await dispatch(method, parseBody(body), exchange, options.handlers)
    finish(response, 200, { v: CONTROL_VERSION, ...result })
  } catch (error) {
    const told = answerTo(error, exchange.signal)
    finish(response, HTTP_STATUS[told.code] ?? 500, errorLine(told))
    if (told.code === 'internal' && told.cause === error) options.onFault(error, method)
  }
}

/** A call that was aborted ended for that reason, whatever its parts threw then. */
function answerTo(error: unknown, { aborted, reason }: AbortSignal): ShoalError {
  if (error instanceof ShoalError) return error
  if (error instanceof AssertionError) return fault(error)
  if (aborted && reason instanceof ShoalError) return reason
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new ShoalError('timeout', 'the call took too long', { hint: 'try again in a moment', cause: error })
  }
  return fault(error)
}

function fault(cause: unknown): ShoalError {
  return new ShoalError('internal', `a fault of the daemon: ${messageOf(cause)}`, { cause })
}

/** For tools that look at the status; ours read the line. */
const HTTP_STATUS: Readonly<Record<string, number>> = { usage: 400, 'not-found': 404, limit: 413, busy: 503 }

/** `kind`: the type of one method, so that its handler and its parameters are known to fit. */
function dispatch<M extends ControlMethod>(
  kind: M,
  body: unknown,
  { response, signal }: Exchange,
  handlers: Handlers
): Promise<ResultOf<M>> {
  const emit = (event: EventOf<M>): void => {
    const isUnread = response.writableLength > CONTROL_UNREAD_BYTES_MAX
    if (isUnread || response.destroyed || response.writableEnded) return
    head(response, 200)
    response.write(`${JSON.stringify({ v: CONTROL_VERSION, ...event })}\n`)
  }
  return handlers[kind](parseParams(kind, body), { signal, emit })
}

function routeOf({ url = '' }: http.IncomingMessage, routes: readonly Route[] = []): Route | undefined {
  return routes.find(one => one.match(url))
}

function methodOf({ method, url = '' }: http.IncomingMessage): ControlMethod {
  const name = /^\/v1\/([a-z.]{1,32})$/.exec(url)?.[1]
  if (method === 'POST' && name !== undefined && isMethod(name)) return name
  throw new ShoalError('usage', `there is no method ${JSON.stringify(`${method ?? ''} ${url}`.slice(0, 80))}`, {
    hint: 'client and daemon may be of different versions: `shoal stop`, then start the daemon again'
  })
}

/** Reads to the end also what is too long, and forgets it: a client that is cut off in its question never hears why. */
async function bodyOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= CONTROL_BODY_BYTES_MAX) chunks.push(chunk)
  }
  if (length <= CONTROL_BODY_BYTES_MAX) return Buffer.concat(chunks).toString('utf8')
  throw new ShoalError('limit', `a call has at most ${CONTROL_BODY_BYTES_MAX} bytes`)
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new ShoalError('usage', 'a call is one JSON object', { cause })
  }
}

function head(response: http.ServerResponse, status: number): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/x-ndjson', connection: 'close' })
}

function finish(response: http.ServerResponse, status: number, line: object): void {
  if (response.destroyed || response.writableEnded) return
  head(response, status)
  response.end(`${JSON.stringify(line)}\n`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function unlinkStale(socket: string): void {
  if (lstatSync(socket, { throwIfNoEntry: false }) === undefined) return
  refuseOther(socket)
  guarded('remove', socket, () => {
    unlinkSync(socket)
  })
}

/** Throws ShoalError `conflict` when something that is no socket lies there. */
function refuseOther(socket: string): void {
  const stat = lstatSync(socket, { throwIfNoEntry: false })
  if (stat === undefined || stat.isSocket()) return
  throw new ShoalError('conflict', `${socket} is in the way: it is no socket`, { hint: 'move it away' })
}

function listen(server: http.Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(new ShoalError('internal', `cannot listen on ${socket}: ${cause.message}`, { cause }))
    }
    server.once('error', failed)
    server.listen(socket, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

async function close(
  server: http.Server,
  calls: ReadonlyMap<http.ServerResponse, AbortController>,
  { graceMs, reason }: { graceMs: number; reason: ShoalError | undefined }
): Promise<void> {
  assert(graceMs >= 0, 'a grace period is not negative')
  // The socket's file goes with the listener.
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  for (const stop of calls.values()) stop.abort(reason ?? new ShoalError('interrupted', 'the server is closing'))
  server.closeIdleConnections()
  const timer = setTimeout(() => {
    server.closeAllConnections()
  }, graceMs)
  await closed
  clearTimeout(timer)
}
