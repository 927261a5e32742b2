/**
 * The routes on a port of the loopback, for scrapers that speak no Unix socket. Whoever is on this machine can connect, so
 * every request shows a token; and a web page that was made to resolve to this machine is turned away by its Host header.
 */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { ShoalError } from '../../base/errors.ts'
import { addressText, type Address } from '../../wire/common.ts'
import type { Route } from '../control/server.ts'
import { isOwnHost } from '../control/own-host.ts'
import { send } from './routes.ts'
import { showsToken } from './token.ts'

/** A few scrapers, and a person who looks. */
export const OPS_CONNECTIONS_MAX = 16
const HEADER_BYTES_MAX = 8 << 10
const REQUEST_TIMEOUT_MS = 5_000
const IDLE_MS = 15_000

export interface OpsListener {
  /** With the port that the system chose. */
  readonly address: Address
  close(): Promise<void>
}

export interface ListenerOptions {
  /** A host of the loopback. */
  listen: Address
  token: string
  routes: readonly Route[]
}

/** Throws ShoalError `conflict` when the port is taken. */
export async function listenOps({ listen, token, routes }: ListenerOptions): Promise<OpsListener> {
  const server = http.createServer({
    ...{ maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    ...{ keepAliveTimeout: IDLE_MS, connectionsCheckingInterval: REQUEST_TIMEOUT_MS }
  })
  server.maxConnections = OPS_CONNECTIONS_MAX
  await listening(server, listen)
  const { port } = server.address() as AddressInfo
  server.on('request', (request, response) => {
    response.on('error', () => undefined)
    request.resume()
    answer(request, response, { port, token, routes })
  })
  return {
    address: { host: listen.host, port },
    close: () => close(server)
  }
}

interface Door {
  port: number
  token: string
  routes: readonly Route[]
}

function answer(request: http.IncomingMessage, response: http.ServerResponse, { port, token, routes }: Door): void {
  const { url = '', headers } = request
  const refuse = (status: number, text: string): void => {
    send(request, response, { status, type: 'text/plain; charset=utf-8', text: `${text}\n` })
  }
  if (!isOwnHost(headers.host, port)) {
    refuse(403, 'this is no name of this listener')
    return
  }
  if (!showsToken(headers.authorization, token)) {
    response.setHeader('www-authenticate', 'Bearer realm="shoal"')
    refuse(401, 'a bearer token is needed: metrics-token-file says where it is')
    return
  }
  const route = routes.find(one => one.match(url))
  if (route === undefined) {
    refuse(404, 'there are /healthz, /readyz and /metrics')
    return
  }
  route.handle(request, response, new AbortController().signal)
}

function listening(server: http.Server, listen: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      const what = taken ? 'is in use' : (cause.code ?? cause.message)
      reject(
        new ShoalError(taken ? 'conflict' : 'bad-input', `cannot serve metrics on ${addressText(listen)}: it ${what}`, {
          hint: 'choose another one: shoal config set metrics-listen HOST:PORT',
          cause
        })
      )
    })
    server.listen(listen.port, listen.host, resolve)
  })
}

function close(server: http.Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
