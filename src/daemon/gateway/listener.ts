/**
 * The gateway's own listener, for programs that know TCP only: players, browsers, curl. It listens on loopback, and takes only requests that
 * were meant for it: a page of another site whose name was made to lead here (DNS rebinding) says that name in `Host`, and is refused.
 */
import http from 'node:http'
import { ShoalError } from '../../base/errors.ts'
import type { Endpoint } from '../../wire/control/settings.ts'
import { isOwnHost } from '../control/own-host.ts'
import { isContentUrl, refuse, type Gateway, type GatewayCall } from './gateway.ts'

/** Sockets that are open; the system drops more. A player has a few. */
export const GATEWAY_CONNECTIONS_MAX = 64
/** The longest path of a content, escaped, and some headers. */
export const GATEWAY_HEADER_BYTES_MAX = 24 << 10
const HEADERS_TIMEOUT_MS = 10_000
/** A connection without a request is kept so long. */
const KEEP_ALIVE_MS = 15_000
const CHECK_EVERY_MS = 1_000

export interface GatewayListener {
  /** HOST:PORT, with the port that it got. */
  readonly address: string
  /** Ends what is under way. Idempotent. */
  close(): Promise<void>
}

/** Resolves once it listens. Throws ShoalError 'conflict' when the port is taken. */
export async function listenGateway({ host, port }: Endpoint, gateway: Gateway): Promise<GatewayListener> {
  const calls = new Map<http.ServerResponse, AbortController>()
  const server = http.createServer({
    maxHeaderSize: GATEWAY_HEADER_BYTES_MAX,
    ...{ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    connectionsCheckingInterval: CHECK_EVERY_MS
  })
  server.maxConnections = GATEWAY_CONNECTIONS_MAX
  server.on('request', (request, response) => {
    const stop = new AbortController()
    calls.set(response, stop)
    response.once('close', () => {
      calls.delete(response)
      stop.abort()
    })
    // A client that goes away while we write is no fault.
    response.on('error', () => undefined)
    take({ request, response, signal: stop.signal }, gateway)
  })
  const actual = await listen(server, { host, port })
  let closing: Promise<void> | undefined
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: () => (closing ??= close(server, calls))
  }
}

function take(call: GatewayCall, gateway: Gateway): void {
  const { request } = call
  if (!isOwnHost(request.headers.host, request.socket.localPort)) {
    refuse(call, 403, new ShoalError('permission', 'the request names another host than this one'))
  } else if (!isContentUrl(request.url)) {
    refuse(call, 404, new ShoalError('not-found', 'only contents are here', { hint: '/content/ID/PATH' }))
  } else gateway(call).catch(() => call.response.destroy())
}

function listen(server: http.Server, { host, port }: Endpoint): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is taken' : cause.message
      const hint = 'choose another one: shoal config set gateway HOST:PORT, or take it out with --default'
      reject(new ShoalError('conflict', `the gateway cannot listen on ${host}:${port}: ${why}`, { hint, cause }))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

async function close(server: http.Server, calls: ReadonlyMap<unknown, AbortController>): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  for (const stop of calls.values()) stop.abort()
  server.closeAllConnections()
  await closed
}
