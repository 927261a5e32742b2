/** One running node: the home, the node's machine, its sockets and disks, and the control API over them. */
import path from 'node:path'
import type { Logger } from 'pino'
import { AssertionError, expectDefined } from '../base/assert.ts'
import { peerIdText } from '../base/ids.ts'
import { publisherOf } from '../io/identity.ts'
import { FolderLeafStore } from '../io/share/leaf-store.ts'
import { StateDb } from '../io/state/db.ts'
import { ContentStore } from '../io/store/store.ts'
import { addressText, type Address } from '../wire/common.ts'
import type { Config } from './home/config.ts'
import { serveControl, type ControlServer, type Route } from './control/server.ts'
import { SocketWatch } from './control/socket-watch.ts'
import { isContentUrl, openGateway } from './gateway/gateway.ts'
import { listenGateway, type GatewayListener } from './gateway/listener.ts'
import { EphemeralDownloads } from './downloads/ephemeral.ts'
import { catHandlers } from './control/handlers/cat.ts'
import { getHandlers } from './control/handlers/get.ts'
import { nodeHandlers } from './control/handlers/node.ts'
import { opsHandlers } from './control/handlers/ops.ts'
import { overlayHandlers } from './control/handlers/overlay.ts'
import { ringHandlers } from './control/handlers/ring.ts'
import { searchHandlers } from './control/handlers/search.ts'
import { shareHandlers } from './control/handlers/share.ts'
import { homePaths, join, keepOverlay, refound } from './home/home.ts'
import { Indexing } from './sharing/indexing.ts'
import { publish, type PublishParts, type SharedRow } from './sharing/publish.ts'
import { ShareJobs } from './sharing/share-jobs.ts'
import { Ops } from './ops/ops.ts'
import { Life, StoppingError } from './life.ts'
import { OverlayChanges } from './node/overlay-changes.ts'
import { keepStateOf, overlayState, restoreState } from './node/overlay-state.ts'
import type { RuntimeSeams } from './node/runtime.ts'
import { Session, type LivingHome } from './node/session.ts'
import { logFailure } from './process/background.ts'
import { Searches } from './search/searches.ts'
import type { Services } from './control/services.ts'
import { controlSocketPath, nameSocket } from './home/socket-path.ts'
import { TicketFiles } from './node/ticket-files.ts'
import { Downloads } from './downloads/downloads.ts'

export interface DaemonOptions {
  /** Its lock is held until the process ends. */
  home: LivingHome
  config: Config
  log: Logger
  /** The daemon is broken, and must not go on: the process ends, without a goodbye. */
  onFault: (error: unknown) => void
  /** For peers that misbehave in tests. */
  seams?: RuntimeSeams
}

export interface Daemon {
  readonly id: string
  readonly name: string
  /** HOST:PORT, what others dial. */
  readonly addresses: readonly string[]
  /** Resolves when `stop` was asked for over the control API. */
  readonly stopAsked: Promise<void>
  /** Says goodbye, keeps everything for the next start. Idempotent; never rejects. */
  stop(): Promise<void>
}

const CONTROL_GRACE_MS = 1_000

/** Resolves when the node is ready: it listens, and answers the control API. Throws ShoalError. */
export async function runDaemon(options: DaemonOptions): Promise<Daemon> {
  const running = new RunningDaemon(options)
  try {
    await running.open()
    return running
  } catch (error) {
    await running.stop()
    throw error
  }
}

class RunningDaemon implements Daemon {
  readonly id: string
  readonly name: string
  private readonly options: DaemonOptions
  private readonly asked = Promise.withResolvers<undefined>()
  private readonly life: Life<Session>
  private db: StateDb | undefined
  private store: ContentStore | undefined
  private indexing: Indexing | undefined
  private sharing: ShareJobs<SharedRow> | undefined
  private server: ControlServer | undefined
  private socketWatch: SocketWatch | undefined
  private downloads: Downloads | undefined
  private passing: EphemeralDownloads | undefined
  private listener: GatewayListener | undefined
  private readonly ops = new Ops()
  private tickets: TicketFiles | undefined

  constructor(options: DaemonOptions) {
    const { home, config, log, onFault } = options
    this.options = options
    this.id = peerIdText(home.identity.id)
    this.name = config.settings.name
    this.life = new Life<Session>({
      onLost: onFault,
      onBack: (err, note) => {
        log.error({ err }, `a change of the overlay failed: the node is back in its overlay${note}`)
      }
    })
  }

  get stopAsked(): Promise<void> {
    return this.asked.promise
  }

  get addresses(): readonly string[] {
    return this.life.session.runtime.addresses.map(addressText)
  }

  async open(): Promise<void> {
    const { log, config, home } = this.options
    const { dir } = home
    await this.ops.listen(dir, config.settings, log)
    this.db = StateDb.open(homePaths(dir).state)
    const leaves = await FolderLeafStore.open(path.join(dir, 'leaf-hashes'))
    const publisher = publisherOf(home.identity)
    this.store = await ContentStore.open({ home: dir, db: this.db, shared: leaves, publisher })
    this.indexing = await Indexing.open({ path: homePaths(dir).index, store: this.store, log })
    // The home may have left or changed its overlay while no daemon ran.
    await keepStateOf(this.db, home.overlay.id)
    await EphemeralDownloads.sweep(dir, this.store)
    this.downloads = new Downloads({ store: this.store, db: this.db, log })
    this.ops.readiness.starts('the network, and the shares to be offered again')
    const { downloads } = this
    this.sharing = this.shareJobs({ db: this.db, store: this.store, leaves }, downloads)
    await this.life.start(signal => this.session(home, config.settings.listen, signal))
    const parts = { db: this.db, store: this.store, leaves, downloads }
    const services = this.services({ ...parts, indexing: this.indexing, sharing: this.sharing })
    this.tickets = new TicketFiles({
      ...{ settings: config.settings, log, runtime: services.runtime },
      overlay: () => this.life.session.home.overlay,
      adopt: services.adoptTicket
    })
    // Before anyone can see that this node is ready: whoever waits for that may count on the file.
    this.tickets.open()
    await this.serve(services)
    const gateway = this.listener?.address
    this.ops.readiness.runs(services.runtime, () => this.life.session.home.overlay.met)
    const overlay = this.life.session.home.overlay.id
    log.info({ id: this.id, addresses: this.addresses, overlay, gateway }, 'ready')
  }

  private services(parts: Pick<Services, 'db' | 'store' | 'leaves' | 'indexing' | 'sharing' | 'downloads'>): Services {
    const { config, log, home } = this.options
    const { life } = this
    const runtime: Services['runtime'] = () => life.session.runtime
    const changes = new OverlayChanges({
      ...{ life, log },
      keeper: { join, found: refound, keep: keepOverlay },
      state: {
        copy: ({ overlay }) => {
          const state = overlayState(parts.db)
          return () => restoreState(parts.db, overlay.id, state)
        },
        replace: ({ overlay }) => keepStateOf(parts.db, overlay.id)
      },
      open: (next, listen, signal) => this.session(next, listen, signal),
      beforeClose: async () => this.passing?.close()
    })
    const passing = new EphemeralDownloads({ home: home.dir, store: parts.store, downloads: parts.downloads })
    this.passing = passing
    return {
      ...{ settings: config.settings, log, ...parts, searches: new Searches(parts.db), passing },
      runtime,
      home: () => life.session.home,
      directory: () => life.session.directory,
      monitor: () => life.session.monitor,
      gateway: () => this.listener?.address,
      settled: signal => life.settled(signal),
      adoptTicket: ticket => changes.adopt(ticket),
      leaveOverlay: () => changes.leave(),
      askToStop: () => {
        this.asked.resolve(undefined)
      },
      startedMs: performance.now()
    }
  }

  private shareJobs(parts: Pick<PublishParts, 'db' | 'store' | 'leaves'>, downloads: Downloads): ShareJobs<SharedRow> {
    const { log, home } = this.options
    const publishing: PublishParts = {
      ...{ ...parts, log, home: () => home.dir },
      offer: content => downloads.offer(content),
      remove: async content => {
        await downloads.remove(content, { deleteFiles: false })
      }
    }
    return new ShareJobs({
      work: (request, work) => publish(publishing, request, work),
      onUnheard: ({ target }, err) => {
        if (err === undefined) log.info({ path: target }, 'shared')
        else log.warn({ path: target, err }, 'not shared')
      }
    })
  }

  private async serve(services: Services): Promise<void> {
    const { log } = this.options
    const { dir } = this.options.home
    const socket = controlSocketPath(dir)
    const gateway = openGateway({ services })
    const at = services.settings.gateway
    if (at !== undefined) this.listener = await listenGateway(at, gateway)
    const contents: Route = {
      match: isContentUrl,
      handle: (request, response, signal) => {
        logFailure(gateway({ request, response, signal }), 'an answer of the gateway', log)
      }
    }
    this.server = await serveControl({
      socket,
      handlers: {
        ...nodeHandlers(services),
        ...overlayHandlers(services),
        ...shareHandlers(services),
        ...getHandlers(services),
        ...catHandlers(services),
        ...ringHandlers(services),
        ...searchHandlers(services),
        ...opsHandlers(services)
      },
      // A change of the overlay waits for its own turn, and a stop for nothing.
      admit: async (method, signal) => {
        if (method !== 'stop' && method !== 'join' && method !== 'leave') await this.life.settled(signal)
      },
      routes: [...this.ops.routes, contents],
      onFault: (err, method) => {
        log.error({ err, method }, 'a call failed')
        if (err instanceof AssertionError) this.options.onFault(err)
      }
    })
    nameSocket(dir, socket)
    this.socketWatch = new SocketWatch({ home: dir, socket, server: this.server, log })
  }

  /** The node in the overlay of this home. */
  private async session(home: LivingHome, listen: Address, signal: AbortSignal): Promise<Session> {
    const { config, log, onFault, seams = {} } = this.options
    const session = await Session.open({
      ...{ home, settings: { ...config.settings, listen }, log, seams, signal, onFault },
      db: expectDefined(this.db, 'the state is open'),
      store: expectDefined(this.store, 'the store is open'),
      indexing: expectDefined(this.indexing, 'the index is open'),
      downloads: expectDefined(this.downloads, 'the downloads are open'),
      isCurrent: one => this.life.isRunning(one)
    })
    this.ops.watch(session.runtime)
    return session
  }

  stop(): Promise<void> {
    this.ops.readiness.stops()
    // In one turn: no call sees a daemon that stops before its own signal has said so, nor a share that ends before that.
    const stopped = this.life.stop(session => this.end(session))
    const sharing = this.sharing?.close()
    return Promise.all([stopped, sharing, this.closeServer()]).then(() => undefined)
  }

  private async closeServer(): Promise<void> {
    await this.server?.close(CONTROL_GRACE_MS, new StoppingError())
  }

  /** Every step is taken, whatever becomes of the others: what a crash would leave open is closed here. */
  private async end(session: Session | undefined): Promise<void> {
    const steps = [
      () => this.tickets?.close(),
      () => this.socketWatch?.close(),
      () => Promise.all([this.closeServer(), this.listener?.close()]),
      () => (session === undefined ? undefined : this.passing?.close()),
      () => this.downloads?.close(),
      () => session?.sayGoodbye(),
      () => this.ops.close(),
      () => session?.close(),
      () => this.indexing?.close(),
      () => this.store?.closeAll(),
      () => this.db?.close()
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (err) {
        this.options.log.error({ err }, 'a step of the stop failed')
      }
    }
  }
}
