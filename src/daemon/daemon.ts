/** One running node: the home, the node's machine, its sockets and disks, and the control API over them. */
import path from 'node:path'
import type { Logger } from 'pino'
import { expectDefined } from '../base/assert.ts'
import { EMPTY_BYTES, textOf, utf8 } from '../base/bytes.ts'
import { ShoalError } from '../base/errors.ts'
import { peerIdText, type ContentId } from '../base/ids.ts'
import { publisherOf } from '../io/identity.ts'
import { FolderLeafStore } from '../io/share/leaf-store.ts'
import { StateDb } from '../io/state/db.ts'
import { ContentStore } from '../io/store/store.ts'
import { addressText, type Address } from '../wire/common.ts'
import type { Ticket } from '../wire/ticket.ts'
import type { Config } from './home/config.ts'
import { serveControl, type ControlServer, type Route } from './control/server.ts'
import { SocketWatch } from './control/socket-watch.ts'
import { Directory } from './sharing/directory.ts'
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
import { found, homePaths, join, leave, markMet, type Home } from './home/home.ts'
import { Indexing } from './sharing/indexing.ts'
import { publish, type PublishParts, type SharedRow } from './sharing/publish.ts'
import { ShareJobs } from './sharing/share-jobs.ts'
import { Ops } from './ops/ops.ts'
import { forgetOverlay, Runtime, type RuntimeSeams } from './node/runtime.ts'
import { Searches } from './search/searches.ts'
import type { Services } from './control/services.ts'
import { ShareMonitor } from './sharing/monitor.ts'
import { controlSocketPath, nameSocket } from './home/socket-path.ts'
import { TicketFiles } from './node/ticket-files.ts'
import { Downloads } from './downloads/downloads.ts'
import { downloadNode } from './downloads/node.ts'

type LivingHome = Home & { readonly overlay: NonNullable<Home['overlay']> }

export interface DaemonOptions {
  /** Its lock is held until the process ends. */
  home: LivingHome
  config: Config
  log: Logger
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
  /** Says goodbye, keeps everything for the next start. Idempotent. */
  stop(): Promise<void>
}

const CONTROL_GRACE_MS = 1_000
/** In the state database: whose members and records are in it. */
const OVERLAY_KEY = 'overlay'

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

/** What one overlay needs. */
interface Living {
  readonly runtime: Runtime
  readonly directory: Directory
  readonly monitor: ShareMonitor
}

class RunningDaemon implements Daemon {
  readonly id: string
  readonly name: string
  private readonly options: DaemonOptions
  private readonly asked = Promise.withResolvers<undefined>()
  private home: LivingHome
  private db: StateDb | undefined
  private store: ContentStore | undefined
  private indexing: Indexing | undefined
  private sharing: ShareJobs<SharedRow> | undefined
  private living: Living | undefined
  private server: ControlServer | undefined
  private socketWatch: SocketWatch | undefined
  private downloads: Downloads | undefined
  private passing: EphemeralDownloads | undefined
  private listener: GatewayListener | undefined
  private readonly ops = new Ops()
  private tickets: TicketFiles | undefined
  private stopping: Promise<void> | undefined

  constructor(options: DaemonOptions) {
    this.options = options
    this.home = options.home
    this.id = peerIdText(options.home.identity.id)
    this.name = options.config.settings.name
  }

  get stopAsked(): Promise<void> {
    return this.asked.promise
  }

  get addresses(): readonly string[] {
    return this.life.runtime.addresses.map(addressText)
  }

  private get life(): Living {
    return expectDefined(this.living, 'the node runs')
  }

  async open(): Promise<void> {
    const { log, config } = this.options
    const { dir } = this.home
    await this.ops.listen(dir, config.settings, log)
    this.db = StateDb.open(homePaths(dir).state)
    const leaves = await FolderLeafStore.open(path.join(dir, 'leaf-hashes'))
    const publisher = publisherOf(this.home.identity)
    this.store = await ContentStore.open({ home: dir, db: this.db, shared: leaves, publisher })
    this.indexing = await Indexing.open({ path: homePaths(dir).index, store: this.store, log })
    await this.dropStaleOverlay()
    await EphemeralDownloads.sweep(dir, this.store)
    this.downloads = new Downloads({ store: this.store, db: this.db, log })
    this.ops.readiness.starts('the network, and the shares to be offered again')
    await this.live(config.settings.listen)
    this.passing = new EphemeralDownloads({ home: dir, store: this.store, downloads: this.downloads })
    this.sharing = this.shareJobs({ db: this.db, store: this.store, leaves }, this.downloads)
    const services: Services = {
      ...{ settings: config.settings, log, db: this.db, store: this.store, leaves },
      ...{ indexing: this.indexing, sharing: this.sharing, searches: new Searches(this.db) },
      home: () => this.home,
      runtime: () => this.life.runtime,
      directory: () => this.life.directory,
      monitor: () => this.life.monitor,
      downloads: this.downloads,
      passing: this.passing,
      gateway: () => this.listener?.address,
      adoptTicket: async ticket => this.adoptTicket(ticket),
      leaveOverlay: async () => this.leaveOverlay(),
      askToStop: () => {
        this.asked.resolve(undefined)
      },
      startedMs: performance.now()
    }
    this.tickets = new TicketFiles({
      ...{ settings: config.settings, log, runtime: services.runtime },
      overlay: () => this.home.overlay,
      adopt: async ticket => this.adoptTicket(ticket)
    })
    // Before anyone can see that this node is ready: whoever waits for that may count on the file.
    this.tickets.open()
    await this.serve(services)
    const gateway = this.listener?.address
    this.ops.readiness.runs(services.runtime, () => this.home.overlay.met)
    log.info({ id: this.id, addresses: this.addresses, overlay: this.home.overlay.id, gateway }, 'ready')
  }

  private shareJobs(parts: Pick<PublishParts, 'db' | 'store' | 'leaves'>, downloads: Downloads): ShareJobs<SharedRow> {
    const { log } = this.options
    const publishing: PublishParts = {
      ...{ ...parts, log, home: () => this.home.dir },
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

  /** The home may have left or changed its overlay while no daemon ran: what was kept for the old one goes. */
  private async dropStaleOverlay(): Promise<void> {
    const db = expectDefined(this.db, 'the state is open')
    const { id } = this.home.overlay
    if (textOf(db.get(OVERLAY_KEY) ?? EMPTY_BYTES) === id) return
    await forgetOverlay(db)
    await db.put(OVERLAY_KEY, utf8(id))
  }

  private async serve(services: Services): Promise<void> {
    const { dir } = this.home
    const socket = controlSocketPath(dir)
    const gateway = openGateway({ services })
    const at = services.settings.gateway
    if (at !== undefined) this.listener = await listenGateway(at, gateway)
    const contents: Route = {
      match: isContentUrl,
      handle: (request, response, signal) => {
        void gateway({ request, response, signal })
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
      routes: [...this.ops.routes, contents],
      onFault: (err, method) => {
        this.options.log.error({ err, method }, 'a call failed')
      }
    })
    nameSocket(dir, socket)
    this.socketWatch = new SocketWatch({ home: dir, socket, server: this.server, log: this.options.log })
  }

  /** Starts the node in the overlay of the home. */
  private async live(listen: Address): Promise<void> {
    const { config, log, seams = {} } = this.options
    const settings = { ...config.settings, listen }
    const db = expectDefined(this.db, 'the state is open')
    const store = expectDefined(this.store, 'the store is open')
    const indexing = expectDefined(this.indexing, 'the index is open')
    const runtime = await Runtime.open({ home: this.home, settings, db, store, index: indexing.index, log, seams })
    const monitor = monitorOf(runtime, store, log)
    const isSound = (content: ContentId): boolean => monitor.isSound(content)
    const directory = new Directory({ net: runtime.net, store, isSound })
    this.living = { runtime, directory, monitor }
    this.ops.watch(runtime)
    runtime.watch(({ room, event }) => {
      if (room !== 'membership') return
      if (event.kind === 'member')
        log.info(
          { member: event.member.name, id: peerIdText(event.member.id), state: event.member.state, was: event.was },
          'member'
        )
      if (event.kind === 'member' && !this.home.overlay.met) this.noteMet()
    })
    indexing.tellTo(({ table, files, bytes }) => {
      runtime.call((node, at) => {
        node.search.indexed(table, files, bytes, at)
      })
    })
    await directory.serve()
    await expectDefined(this.downloads, 'the downloads are open').attach(downloadNode(runtime), monitor)
    monitor.start()
  }

  /** What finds no room on the disk is noted with the next news of a member. */
  private noteMet(): void {
    try {
      this.home = { ...markMet(this.home), overlay: { ...this.home.overlay, met: true } }
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      this.options.log.warn({ problem: error.message }, 'that a member was met is not noted')
    }
  }

  private async move(home: LivingHome): Promise<void> {
    const { runtime, monitor } = this.life
    this.indexing?.tellTo(undefined)
    await this.passing?.close()
    this.downloads?.detach()
    await monitor.close()
    await runtime.close()
    this.home = home
    await this.dropStaleOverlay()
    // Whom others know is the port: it stays, also when the system chose it.
    await this.live(runtime.net.listening)
  }

  private async adoptTicket(ticket: Ticket): Promise<void> {
    const before = this.home.overlay
    const home = join(this.home, ticket)
    if (home.overlay.id !== before.id) {
      await this.move(home)
      return
    }
    this.home = home
    await this.life.runtime.join(ticket.contacts)
  }

  private async leaveOverlay(): Promise<void> {
    await this.life.runtime.sayGoodbye()
    await this.move(found(leave(this.home), this.home.overlay.settings.preset))
  }

  stop(): Promise<void> {
    this.stopping ??= this.end()
    return this.stopping
  }

  private async end(): Promise<void> {
    this.ops.readiness.stops()
    await this.tickets?.close()
    // First: whoever follows a share hears why it ends.
    await this.sharing?.close()
    await this.socketWatch?.close()
    await Promise.all([this.server?.close(CONTROL_GRACE_MS), this.listener?.close()])
    if (this.living !== undefined) await this.passing?.close()
    await this.downloads?.close()
    await this.living?.runtime.sayGoodbye()
    await this.ops.close()
    this.indexing?.tellTo(undefined)
    await this.living?.monitor.close()
    await this.living?.runtime.close()
    await this.indexing?.close()
    this.store?.closeAll()
    await this.db?.close()
  }
}

function monitorOf(runtime: Runtime, store: ContentStore, log: Logger): ShareMonitor {
  return new ShareMonitor({
    ...{ store, log, wallMs: () => Date.now() },
    exchange: {
      withdraw: (content, pieces) => {
        runtime.call((node, at) => {
          node.exchange.withdraw(content, pieces, at)
        })
      },
      restore: (content, pieces) => {
        runtime.call((node, at) => {
          node.exchange.restore(content, pieces, at)
        })
      }
    }
  })
}
