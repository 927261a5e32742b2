/** /healthz, /readyz and /metrics, wherever they are asked for. */
import type http from 'node:http'
import type { Route } from '../control/server.ts'
import { METRICS_CONTENT_TYPE } from './registry.ts'

const TEXT = 'text/plain; charset=utf-8'

export interface Answers {
  /** What the node waits for; empty when it is ready. */
  readonly waitsFor: () => readonly string[]
  /** Undefined while there is nothing to measure yet. */
  readonly metrics: () => string | undefined
}

export function opsRoutes({ waitsFor, metrics }: Answers): Route[] {
  return [
    // That it answers is the answer.
    route('/healthz', () => ({ status: 200, type: TEXT, text: 'alive\n' })),
    route('/readyz', () => {
      const missing = waitsFor()
      if (missing.length === 0) return { status: 200, type: TEXT, text: 'ready\n' }
      return { status: 503, type: TEXT, text: missing.map(what => `waiting for ${what}\n`).join('') }
    }),
    route('/metrics', () => {
      const text = metrics()
      if (text === undefined) return { status: 503, type: TEXT, text: 'waiting for the node to start\n' }
      return { status: 200, type: METRICS_CONTENT_TYPE, text }
    })
  ]
}

interface Page {
  status: number
  type: string
  text: string
}

function route(path: string, page: () => Page): Route {
  return {
    match: url => url === path || url.startsWith(`${path}?`),
    handle: (request, response) => {
      request.resume()
      if (request.method === 'GET' || request.method === 'HEAD') send(request, response, page())
      else {
        response.setHeader('allow', 'GET, HEAD')
        send(request, response, { status: 405, type: TEXT, text: 'only GET and HEAD\n' })
      }
    }
  }
}

/** Also without its body, for HEAD. */
export function send(request: http.IncomingMessage, response: http.ServerResponse, { status, type, text }: Page): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff'
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}
