/**
 * A node at work in one overlay: the machine of core/node, driven with sockets, disks and clocks. Another overlay means
 * another runtime; the state database, the store and the identity outlive it.
 */
import type { Logger } from 'pino'
import { AssertionError, expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { peerIdText } from '../../base/ids.ts'
import { Random } from '../../base/random.ts'
import { nodeCodec, type NodeMessage } from '../../core/node/envelope.ts'
import { Node, type NodeCommand, type NodeEvent } from '../../core/node/node.ts'
import { settingsOf } from '../../core/node/settings.ts'
import type { Now, Result } from '../../core/machine.ts'
import type { SearchCommand } from '../../core/search/contract.ts'
import { BlockEngine, type BlockEngineOptions } from '../../io/blocks/engine.ts'
import type { Traffic } from '../../io/blocks/traffic.ts'
import type { LeafSource } from '../../io/blocks/uploader.ts'
import { now } from '../../io/clock.ts'
import { seed } from '../../io/entropy.ts'
import { signer, verifier } from '../../io/identity.ts'
import { resolveAddress } from '../../io/net/address.ts'
import { openNet, type Net } from '../../io/net/net.ts'
import type { Refusal } from '../../io/net/refusals.ts'
import type { StateDb } from '../../io/state/db.ts'
import type { ShareIndex } from '../../io/index/index.ts'
import type { ContentStore } from '../../io/store/store.ts'
import { addressText, sameAddress, type Address, type Contact } from '../../wire/common.ts'
import type { Settings } from '../../wire/control/settings.ts'
import { dialAddresses, movedAddresses } from './addresses.ts'
import { Driver, overlayClosed } from './driver.ts'
import { nodeView, type NodeView } from './view.ts'
import { logFailure } from '../process/background.ts'
import { LogRateLimiter } from '../process/log-rate-limiter.ts'
import type { Home } from '../home/home.ts'
import { TwinWatch } from './twin.ts'

/** What a machine persisted, and what the network did, in the state database. */
const MACHINE_PREFIX = 'node/'
const NET_PREFIX = 'net/'
/** For the names in a ticket. */
const RESOLVE_MS = 5_000
/** How soon it is noticed that this machine has another address. */
const ADDRESS_LOOK_MS = 2_000
/** How long `leave` and `stop` may take to say goodbye. */
const GOODBYE_MS = 4_000

/** Seams for peers that misbehave in tests; a product start gives none. */
export interface RuntimeSeams {
  /** What uploads are read from, made of what they would be read from. */
  readonly source?: (store: LeafSource) => LeafSource
  readonly onUpload?: NonNullable<BlockEngineOptions['onUpload']>
}

export interface RuntimeParts {
  readonly home: Home & { readonly overlay: NonNullable<Home['overlay']> }
  readonly settings: Settings
  readonly db: StateDb
  readonly store: ContentStore
  readonly index: Pick<ShareIndex, 'match'>
  readonly log: Logger
  readonly seams: RuntimeSeams
  /** The node is broken: what its machine threw, or a broken invariant. The process must end. */
  readonly onFault: (error: unknown) => void
  /** Ends what opening waits for. */
  readonly signal?: AbortSignal
}

export class Runtime {
  readonly self: NodeId
  readonly net: Net
  readonly overlay: NonNullable<Home['overlay']>
  readonly refused: Record<string, number> = {}
  /** For those who only look. */
  readonly view: NodeView
  /** Messages that were dropped: of peers, and of this node. */
  readonly dropped = { malformed: 0, unsendable: 0 }
  private addresses_: readonly [Address, ...Address[]]
  private addressTimer: NodeJS.Timeout | undefined
  private readonly node: Node
  private readonly driver: Driver<NodeMessage, NodeCommand, NodeEvent>
  private readonly blocks: BlockEngine
  private readonly index: Pick<ShareIndex, 'match'>
  private readonly log: Logger
  private readonly onFault: (error: unknown) => void
  private readonly closing = new AbortController()
  private readonly logLimiter = new LogRateLimiter(() => now().mono)
  private readonly twins = new TwinWatch()
  private readonly watchers = new Set<(event: NodeEvent) => void>()

  private constructor(parts: RuntimeParts, net: Net, addresses: readonly [Address, ...Address[]]) {
    const { home, settings, db, store, index, log, seams } = parts
    this.onFault = parts.onFault
    this.self = home.identity.id
    this.overlay = home.overlay
    this.net = net
    this.addresses_ = addresses
    this.log = log
    this.index = index
    const context = {
      self: { id: this.self, address: addresses[0] },
      random: Random.from(seed()),
      signer: signer(home.identity, home.overlay.id),
      verifier: verifier(home.overlay.id),
      restored: unprefixed(db.scan(MACHINE_PREFIX), MACHINE_PREFIX)
    }
    const nodeSettings = settingsOf(home.overlay.settings, { uploadsMax: settings['upload-slots'] })
    this.node = new Node(context, { name: settings.name, settings: nodeSettings }, now())
    this.view = nodeView(this.node, now)
    this.blocks = new BlockEngine({
      ...{ net, store, log },
      done: (token, result) => {
        this.driver.done(token, result)
      },
      onMisbehaved: (peer, what) => {
        this.misbehaved(peer, 'blocks', what)
      },
      ...(seams.source === undefined ? {} : { source: seams.source(store) }),
      ...(seams.onUpload === undefined ? {} : { onUpload: seams.onUpload })
    })
    this.driver = new Driver(this.node, nodeCodec, {
      now,
      send: (to, channel, payload) => {
        net.send(to, channel, payload)
      },
      persist: (key, value) => db.put(MACHINE_PREFIX + key, value),
      execute: (token, command) => {
        if (command.kind === 'match') logFailure(this.match(token, command), 'a search of the index', log)
        else this.blocks.execute(token, command)
      },
      emitted: event => {
        this.emitted(event)
      },
      malformed: (from, via, problem) => {
        this.dropped.malformed++
        this.logLimiter.say(`malformed ${from.id}`, suppressed => {
          log.warn({ peer: peerIdText(from.id), via, problem, suppressed }, 'dropped a malformed message')
        })
      },
      unsendable: (to, channel, problem) => {
        this.dropped.unsendable++
        this.logLimiter.say(`unsendable ${to.id}`, suppressed => {
          log.warn({ peer: peerIdText(to.id), channel, problem, suppressed }, 'dropped a message that is over a limit')
        })
      },
      failed: (effect, err) => {
        this.logLimiter.say(`failed ${effect}`, suppressed => {
          log.error({ err, effect, suppressed }, 'an effect of the node failed')
        })
      },
      fault: parts.onFault,
      stalled: lateMs => {
        log.warn({ lateMs: Math.round(lateMs) }, 'the event loop was blocked')
      }
    })
  }

  /** Listens and starts the machine. Throws ShoalError 'conflict' when the port is taken. */
  static async open(parts: RuntimeParts): Promise<Runtime> {
    const { home, settings, db, log, signal } = parts
    const advertise = await numeric(settings.advertise, signal)
    signal?.throwIfAborted()
    const net = await openNet({
      identity: home.identity,
      overlay: home.overlay.id,
      overlayKeys: home.overlay.keys,
      listen: settings.listen,
      ...(settings.advertise?.port === undefined ? {} : { advertisedPort: settings.advertise.port }),
      state: {
        load: async () => unprefixed(db.scan(NET_PREFIX), NET_PREFIX),
        save: async (key, value) => {
          const result = await db.put(NET_PREFIX + key, value)
          if (!result.ok) throw new Error(`the state was not saved: ${result.reason}`)
        }
      },
      clock: now,
      onFault: err => {
        log.error({ err }, 'the state of the network was not saved')
      }
    })
    try {
      // In the same turn as the network opened: what comes in finds its handlers.
      const { port } = net.listening
      const find = (): Address[] => dialAddresses({ listen: settings.listen, advertise, port })
      const [first, ...further] = find()
      const runtime = new Runtime(parts, net, [expectDefined(first, 'there is always one'), ...further])
      await runtime.start(find, signal)
      return runtime
    } catch (error) {
      await net.close()
      throw error
    }
  }

  /** What others may dial, what reaches furthest first; members are told the first. It may change. */
  get addresses(): readonly [Address, ...Address[]] {
    return this.addresses_
  }

  private async start(find: () => readonly Address[], signal: AbortSignal | undefined): Promise<void> {
    const { net, driver } = this
    net.onMessage((from, via, payload) => {
      driver.message(from, via, payload)
    })
    net.onLink((peer, state) => {
      if (state === 'down') this.blocks.peerDown(peer)
      driver.link(peer, state)
    })
    net.onRefused(refusal => {
      this.onRefused(refusal)
    })
    await this.blocks.start()
    const contacts = await resolved(this.overlay.contacts, signal)
    signal?.throwIfAborted()
    this.call((node, at) => {
      node.start(contacts, at)
    })
    this.addressTimer = setInterval(() => {
      this.guard('the look at the addresses of this machine', () => {
        this.follow(find())
      })
    }, ADDRESS_LOOK_MS)
    this.addressTimer.unref()
  }

  /** A machine that moved, or came back to its network elsewhere, says so before the others miss it. */
  private follow(found: readonly Address[]): void {
    const addresses = movedAddresses(this.addresses_, found)
    if (addresses === undefined) return
    const [was] = this.addresses_
    this.addresses_ = addresses
    const [address] = addresses
    if (sameAddress(address, was)) return
    this.log.info({ address: addressText(address), was: addressText(was) }, 'this node has another address now')
    // They hang on the address that is gone.
    this.net.disconnect()
    this.call((node, at) => {
      node.membership.setAddress(address, at)
    })
  }

  /** Looks for the contacts of a ticket. Names among them are looked up first: datagrams go to addresses only. */
  async join(contacts: readonly Contact[]): Promise<void> {
    const found = await resolved(contacts)
    this.call((node, at) => {
      node.membership.join(found, at)
    })
  }

  private onRefused({ lane, from, peer, reason, suppressed }: Refusal): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1 + suppressed
    const who = peer === undefined ? {} : { peer: peerIdText(peer) }
    this.log.warn({ lane, from: addressText(from), ...who, reason, suppressed }, 'refused')
  }

  private misbehaved(peer: NodeId, room: string, what: string): void {
    this.logLimiter.say(`${room} ${peer}`, suppressed => {
      this.log.warn({ peer: peerIdText(peer), room, what, suppressed }, 'a peer broke the protocol')
    })
  }

  private emitted(event: NodeEvent): void {
    if (event.event.kind === 'misbehaved') this.misbehaved(event.event.peer, event.room, event.event.what)
    // Should it come back, it is dialled anew: a connection from before would be waited on until it is given up.
    const { room, event: told } = event
    if (room === 'membership' && told.kind === 'member' && told.member.state === 'dead') {
      this.net.disconnect(told.member.id)
    }
    if (room === 'membership' && told.kind === 'clone') this.heardOfTwin(told.address)
    for (const watcher of this.watchers) {
      this.guard(`a watcher of ${room} events`, () => {
        watcher(event)
      })
    }
  }

  private heardOfTwin(address: Address | undefined): void {
    const isTwin = this.twins.heard({ address, own: this.addresses_[0], atMs: performance.now() })
    if (!isTwin || address === undefined) return
    this.log.error(
      { address: addressText(address) },
      'another node runs with this key: stop one of them, and give it a home of its own'
    )
  }

  /** The address of another node that runs with this node's key. */
  get twin(): Address | undefined {
    return this.twins.address(performance.now())
  }

  /** What one callback throws keeps no other from being called: it is logged. A broken invariant ends the node. */
  private guard(what: string, act: () => void): void {
    try {
      act()
    } catch (err) {
      if (err instanceof AssertionError) this.onFault(err)
      else this.log.error({ err }, `failed: ${what}`)
    }
  }

  /** Hears every event of the node until the returned function is called. What it throws is logged. */
  watch(watcher: (event: NodeEvent) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  /**
   * Calls the machine's own methods as one input; its answer is there at once. Throws ShoalError `busy` when the node has
   * left this overlay, and what the machine threw when it is broken.
   */
  call<T>(act: (node: Node, at: Now) => T): T {
    return this.driver.call(at => this.node.call(node => act(node, at), at))
  }

  /** As `call`, for what may be lost: when the node has left this overlay, nothing is called and `otherwise` returned. */
  hint<T>(otherwise: T, act: (node: Node, at: Now) => T): T {
    return this.closing.signal.aborted ? otherwise : this.call(act)
  }

  /** Aborts when the node leaves this overlay or stops. */
  get ended(): AbortSignal {
    return this.closing.signal
  }

  get traffic(): Traffic {
    return this.blocks.traffic
  }

  /**
   * The first event, from the beginning of `act` on, for which `pick` gives something; `pick` is not called before `act`
   * has returned. Rejects with the signal's reason, which is the caller's deadline, and with `busy` when the node closes.
   */
  when<T>(options: { signal: AbortSignal; act?: () => void; pick: (event: NodeEvent) => T | undefined }): Promise<T> {
    const { act, pick } = options
    const signal = AbortSignal.any([options.signal, this.closing.signal])
    return new Promise<T>((resolve, reject) => {
      signal.throwIfAborted()
      let early: NodeEvent[] | undefined = []
      const end = (): void => {
        unwatch()
        signal.removeEventListener('abort', aborted)
      }
      const aborted = (): void => {
        fail(signal.reason as Error)
      }
      const fail = (error: Error): void => {
        end()
        reject(error)
      }
      const judge = (event: NodeEvent): void => {
        try {
          const picked = pick(event)
          if (picked === undefined) return
          end()
          resolve(picked)
        } catch (error) {
          fail(error as Error)
        }
      }
      const unwatch = this.watch(event => {
        if (early === undefined) judge(event)
        else early.push(event)
      })
      signal.addEventListener('abort', aborted)
      try {
        act?.()
      } catch (error) {
        fail(error as Error)
        return
      }
      const during = early
      early = undefined
      during.forEach(judge)
    })
  }

  contact(id: NodeId): Contact | undefined {
    return this.node.contact(id)
  }

  /** Whom to ask something: the members that are up, but for this node. */
  othersAlive(): Contact[] {
    const others: Contact[] = []
    for (const { id, address, state } of this.node.membership.members()) {
      if (id !== this.self && (state === 'alive' || state === 'suspect')) others.push({ id, address })
    }
    return others
  }

  /** Never rejects: that the index has no answer is an answer. */
  private async match(token: number, { query, limit }: SearchCommand): Promise<void> {
    const result = await this.index.match(query, limit).then(
      (value): Result => ({ ok: true, value }),
      (error: unknown): Result => ({ ok: false, reason: error instanceof ShoalError ? error.code : 'internal' })
    )
    this.driver.done(token, result)
  }

  /** A command of the owner's own, beside those of the machine. */
  fetchManifest(content: ContentId, peer: Contact): Promise<Result> {
    return this.blocks.fetchManifest(content, peer)
  }

  /** The others hear it as a goodbye, not as a death. Ends after GOODBYE_MS at the latest, or with the signal. */
  async sayGoodbye(stop?: AbortSignal): Promise<void> {
    const signal = anyOf(AbortSignal.timeout(GOODBYE_MS), stop)
    const done = this.when({
      signal,
      pick: event => (event.room === 'membership' && event.event.kind === 'left-done' ? true : undefined),
      act: () => {
        this.call((node, at) => {
          node.membership.leave(at)
        })
      }
    })
    await done.catch((error: unknown) => {
      if (!signal.aborted) throw error
      this.log.warn('no member acknowledged the leave')
    })
  }

  /** Ends what waits for an event. The network is closed whatever else fails. */
  async close(): Promise<void> {
    clearInterval(this.addressTimer)
    this.driver.close()
    this.closing.abort(overlayClosed())
    try {
      await this.blocks.close()
    } finally {
      await this.net.close()
    }
  }
}

/** Members are told an address: a datagram goes to no name. */
async function numeric(advertise: Settings['advertise'], stop?: AbortSignal): Promise<Settings['advertise']> {
  if (advertise === undefined) return undefined
  const signal = anyOf(AbortSignal.timeout(RESOLVE_MS), stop)
  const { host } = await resolveAddress({ host: advertise.host, port: 1 }, signal)
  return { host, port: advertise.port }
}

/** Contacts whose names have no address now are left out: there are others, and a next start. */
async function resolved(contacts: readonly Contact[], stop?: AbortSignal): Promise<Contact[]> {
  const signal = anyOf(AbortSignal.timeout(RESOLVE_MS), stop)
  const tried = contacts.map(async ({ id, address }) => ({ id, address: await resolveAddress(address, signal) }))
  return (await Promise.allSettled(tried)).flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
}

function anyOf(deadline: AbortSignal, stop: AbortSignal | undefined): AbortSignal {
  return stop === undefined ? deadline : AbortSignal.any([deadline, stop])
}

function unprefixed(entries: ReadonlyMap<string, Uint8Array>, prefix: string): Map<string, Uint8Array> {
  return new Map(Array.from(entries, ([key, value]) => [key.slice(prefix.length), value]))
}
