/**
 * The operator's view of a running daemon: is it alive, is it ready, what does it count. The routes go on the control socket
 * and, where a setting says so, on a port of the loopback (listener.ts).
 */
import type { Logger } from 'pino'
import { addressText } from '../../wire/common.ts'
import type { Settings } from '../../wire/control/settings.ts'
import type { Route } from '../control/server.ts'
import type { Runtime } from '../node/runtime.ts'
import { EventLoop } from './event-loop.ts'
import { listenOps, type OpsListener } from './listener.ts'
import { METRICS } from './metrics/all.ts'
import { Readiness } from './readiness.ts'
import { metricsText } from './registry.ts'
import { opsRoutes } from './routes.ts'
import { EventCounts } from './event-counts.ts'
import { readToken, tokenFile } from './token.ts'

export class Ops {
  readonly routes: readonly Route[]
  readonly readiness = new Readiness()
  private readonly counts = new EventCounts()
  private readonly eventLoop = new EventLoop()
  private runtime: Runtime | undefined
  private listener: OpsListener | undefined

  constructor() {
    this.routes = opsRoutes({ waitsFor: () => this.readiness.waitsFor(), metrics: () => this.metrics() })
  }

  /** Opens the port, if the settings name one. Throws ShoalError `conflict`, `bad-input`. */
  async listen(home: string, settings: Settings, log: Logger): Promise<void> {
    const listen = settings['metrics-listen']
    if (listen === undefined) return
    const file = tokenFile(home, settings['metrics-token-file'])
    this.listener = await listenOps({ listen, token: readToken(file), routes: this.routes })
    log.info({ address: addressText(this.listener.address), token: file }, 'metrics are served')
  }

  /** Another overlay is another runtime: what it tells is counted on. */
  watch(runtime: Runtime): void {
    this.runtime = runtime
    runtime.watch(event => {
      this.counts.hear(event)
    })
  }

  async close(): Promise<void> {
    this.eventLoop.close()
    await this.listener?.close()
  }

  private metrics(): string | undefined {
    const { runtime, counts, eventLoop, readiness } = this
    return runtime && metricsText(METRICS, { runtime, counts, eventLoop, ready: readiness.ready })
  }
}
