/**
 * The libp2p node: TCP, noise wrapped by the admission, yamux, and nothing else: no identify, no discovery, no relay,
 * no ping. It manages connections and streams; links.ts and requests.ts implement the protocols on them.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection, MessageStream, MultiaddrConnection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { LruMap } from '../../base/bounded.ts'
import { concat } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { idBytes, nodeIdFromText, peerIdText, type NodeId, type OverlayId } from '../../base/ids.ts'
import { expectDefined } from '../../base/assert.ts'
import { addressText, type Address, type Contact } from '../../wire/common.ts'
import type { Identity } from '../identity.ts'
import { fromMultiaddr, portInUse, resolveAddress, toMultiaddr } from './address.ts'
import { Admission, ADMISSION_MS, refusalText } from './admission.ts'
import { creditLate } from './stream/credit.ts'
import type { Refusal } from './refusals.ts'

/** From the first packet of a dial to an admitted connection: the handshakes on a slow path, plus ADMISSION_MS. */
export const DIAL_MS = 8_000
/** The library starts its deadline for an admission a little before it announces the connection to this node. */
const TIMER_SLACK_MS = 500
/** Connections of one node: some hundred members, with two connections each when both sides dial at once. */
export const CONNECTIONS_MAX = 1_024
/** New connections a second from one address: a whole cluster may be behind one address. */
const INBOUND_PER_SECOND_MAX = 256
/** Incoming connections whose admission is in progress. */
const INBOUND_PENDING_MAX = 256
/** Streams of one protocol and direction on one connection, unless the protocol says otherwise. */
const STREAMS_MAX = 256
/** Streams of one connection, over all protocols. */
const CONNECTION_STREAMS_MAX = 1_024
/** A connection without traffic for this long is closed: three intervals of yamux's ping. */
const SILENCE_MS = 45_000
const YAMUX_PING_MS = 15_000
/**
 * Receive window of one stream: 1 MiB fills 80 Mbit/s over 100 ms. A paused stream buffers up to a window, so its
 * buffer must be larger: an overflow resets the stream.
 */
export const STREAM_WINDOW_BYTES_MAX = 1 << 20
const STREAM_BUFFER_BYTES_MAX = 4 * STREAM_WINDOW_BYTES_MAX
export const STREAM_WINDOW_BYTES_MIN = 256 << 10
/** Peers whose last known address is kept. */
const ADDRESSES_MAX = 65_536

/** On `::` TCP accepts IPv4 too, as UDP does. The library passes these options to the socket, but types only some. */
const BOTH_FAMILIES = { noDelay: true, ipv6Only: false }
/** Names of the library's errors for a connection that has closed. */
const GONE = new Set(['ConnectionClosedError', 'MuxerClosedError'])

export interface HostInit {
  readonly identity: Identity
  readonly overlay: OverlayId
  readonly overlayKeys: readonly Uint8Array[]
  readonly listen: Address
  /** The port that peers are told to dial; the listening port unless given. */
  readonly advertisedPort?: number | undefined
  readonly onRefused: (refusal: Omit<Refusal, 'suppressed'>) => void
}

export type InboundHandler = (peer: NodeId, stream: Stream) => void | Promise<void>

export class Libp2pHost {
  readonly self: NodeId
  private readonly init: HostInit
  private node: Libp2p | undefined
  private port = 0
  /** The last known address at which each peer can be dialled. */
  private readonly addresses = new LruMap<NodeId, Address>(ADDRESSES_MAX)
  /** Connections that were admitted, or already reported as refused: their close is not reported. */
  private readonly decided = new WeakSet()

  private constructor(init: HostInit) {
    this.init = init
    this.self = init.identity.id
  }

  /** Listens. Throws ShoalError 'conflict' when the port is in use. */
  static async start(init: HostInit): Promise<Libp2pHost> {
    const host = new Libp2pHost(init)
    const node = await host.create()
    host.node = node
    try {
      await node.start()
    } catch (error) {
      await node.stop()
      throw listenError(init.listen, error)
    }
    host.port = expectDefined(
      node.getMultiaddrs().map(fromMultiaddr).find(Boolean),
      'a node that listens has an address'
    ).port
    return host
  }

  get listening(): Address {
    return { host: this.init.listen.host, port: this.port }
  }

  /**
   * The address at which a peer can be dialled: where this node dialled it last, or what it stated when it dialled us.
   */
  addressOf(peer: NodeId): Address | undefined {
    return this.addresses.touch(peer)
  }

  disconnect(peer?: NodeId): void {
    const id = peer === undefined ? undefined : peerIdFromString(peerIdText(peer))
    for (const connection of this.libp2p.getConnections(id))
      connection.abort(new Error('this node closed the connection'))
  }

  connectionCount(direction?: 'inbound' | 'outbound'): number {
    const all = this.libp2p.getConnections()
    return direction === undefined ? all.length : all.filter(one => one.direction === direction).length
  }

  /**
   * Opens a stream on an existing connection, whichever side opened it, or on a new one to the contact's address.
   * Throws ShoalError 'unreachable', or 'not-admitted' when the peer rejects our proof, or the signal's reason. Takes
   * at most DIAL_MS.
   */
  async open(to: Contact, protocol: string, signal: AbortSignal): Promise<Stream> {
    const deadline = AbortSignal.timeout(DIAL_MS)
    const options = { signal: AbortSignal.any([signal, deadline]), maxOutboundStreams: STREAMS_MAX }
    try {
      for (let present = this.connectionTo(to.id); present !== undefined; present = this.connectionTo(to.id)) {
        try {
          return creditLate(await present.newStream(protocol, options))
        } catch (error) {
          // The muxer may have closed long before the socket: such a connection counts as open but opens no stream.
          const gone = error instanceof Error && GONE.has(error.name)
          if (gone || deadline.aborted) present.abort(new Error('the connection opens no stream'))
          if (!gone) throw error
        }
      }
      const connection = await this.dial(to, options.signal)
      return creditLate(await connection.newStream(protocol, options))
    } catch (cause) {
      signal.throwIfAborted()
      throw openError(to, cause)
    }
  }

  /** Serves a protocol. A handler that throws ends its stream. */
  async handle(protocol: string, handler: InboundHandler, maxInbound = STREAMS_MAX): Promise<void> {
    const onStream = async (stream: Stream, connection: Connection): Promise<void> => {
      const peer = nodeIdFromText(connection.remotePeer.toString())
      if (peer !== undefined && stream.status === 'open') await handler(peer, creditLate(stream))
    }
    await this.libp2p.handle(protocol, onStream, { maxInboundStreams: maxInbound, maxOutboundStreams: STREAMS_MAX })
  }

  /** Closes all connections. Takes at most `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => resolve(undefined), deadlineMs)
    try {
      await Promise.race([this.libp2p.stop(), late])
    } finally {
      clearTimeout(timer)
      for (const connection of this.libp2p.getConnections()) connection.abort(new Error('the node stops'))
    }
  }

  private get libp2p(): Libp2p {
    return expectDefined(this.node, 'the host was started')
  }

  private connectionTo(peer: NodeId): Connection | undefined {
    return this.libp2p.getConnections(peerIdFromString(peerIdText(peer))).find(one => one.status === 'open')
  }

  private async dial(to: Contact, signal: AbortSignal): Promise<Connection> {
    const address = await resolveAddress(to.address, signal)
    const connection = await this.libp2p.dial(toMultiaddr(address, to.id), { signal })
    this.addresses.set(to.id, to.address)
    return connection
  }

  private create(): Promise<Libp2p> {
    const { identity, overlay, overlayKeys, listen } = this.init
    return createLibp2p({
      start: false,
      privateKey: privateKeyFromRaw(concat(identity.secret, idBytes(identity.id))),
      addresses: { listen: [toMultiaddr(listen).toString()] },
      transports: [
        tcp({
          inboundSocketInactivityTimeout: SILENCE_MS,
          outboundSocketInactivityTimeout: SILENCE_MS,
          listenOpts: BOTH_FAMILIES
        })
      ],
      connectionEncrypters: [
        components =>
          new Admission(noise()(components), {
            self: identity.id,
            overlay,
            overlayKeys,
            port: () => this.init.advertisedPort ?? this.port,
            onAdmitted: (connection, peer, port) => this.admitted(connection, peer, port),
            onRefused: (connection, peer, reason) => this.refused(connection, peer, reason)
          })
      ],
      streamMuxers: [
        yamux({
          keepAliveInterval: YAMUX_PING_MS,
          maxInboundStreams: CONNECTION_STREAMS_MAX,
          maxOutboundStreams: CONNECTION_STREAMS_MAX,
          // Streams may arrive while a new connection is announced. The library's default of 10 resets the connection.
          maxEarlyStreams: CONNECTION_STREAMS_MAX,
          streamOptions: {
            initialStreamWindowSize: STREAM_WINDOW_BYTES_MIN,
            maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
            maxReadBufferLength: STREAM_BUFFER_BYTES_MAX
          }
        })
      ],
      connectionGater: {
        denyInboundConnection: connection => {
          this.watch(connection)
          return false
        }
      },
      connectionManager: {
        maxConnections: CONNECTIONS_MAX,
        inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
        maxIncomingPendingConnections: INBOUND_PENDING_MAX,
        inboundUpgradeTimeout: ADMISSION_MS,
        dialTimeout: DIAL_MS,
        addressDialTimeout: DIAL_MS
      },
      connectionMonitor: { enabled: false }
    })
  }

  private admitted(connection: MessageStream, peer: NodeId, port: number | undefined): void {
    this.decided.add(connection)
    const from = remoteOf(connection)
    if (from !== undefined && port !== undefined && port > 0) this.addresses.set(peer, { host: from.host, port })
  }

  private refused(connection: MessageStream, peer: NodeId | undefined, reason: Refusal['reason']): void {
    this.decided.add(connection)
    const from = remoteOf(connection)
    if (from !== undefined) this.init.onRefused({ lane: 'tcp', from, peer, reason })
  }

  /** Reports a connection that closes before its admission begins: garbage, a port scan, silence. */
  private watch(connection: MultiaddrConnection): void {
    const opened = performance.now()
    connection.addEventListener('close', () => {
      if (this.decided.has(connection)) return
      this.refused(
        connection,
        undefined,
        performance.now() - opened >= ADMISSION_MS - TIMER_SLACK_MS ? 'timeout' : 'malformed'
      )
    })
  }
}

function remoteOf(connection: MessageStream): Address | undefined {
  return 'remoteAddr' in connection ? fromMultiaddr((connection as MultiaddrConnection).remoteAddr) : undefined
}

/** The library keeps only the message of an encrypter's error, so a refusal is recognized by its text. */
function openError({ id, address }: Contact, cause: unknown): ShoalError {
  const who = `${peerIdText(id)} at ${addressText(address)}`
  if (!(cause instanceof Error) || !cause.message.endsWith(refusalText('not-admitted'))) {
    return new ShoalError('unreachable', `cannot reach ${who}`, { cause })
  }
  return new ShoalError('not-admitted', `${who} does not admit this node`, {
    hint: 'the overlay key may have changed: ask for a new ticket (`shoal invite` prints one)',
    cause
  })
}

/** The library keeps only the message of the socket's error, so the code is read from the text. */
function listenError(listen: Address, error: unknown): ShoalError {
  const text = error instanceof Error ? error.message : String(error)
  if (text.includes('EADDRINUSE')) return portInUse('TCP', listen, error)
  const code = /\b(EACCES|EADDRNOTAVAIL|EAFNOSUPPORT|EINVAL)\b/.exec(text)?.[1] ?? 'unknown error'
  return new ShoalError(
    code === 'EACCES' ? 'permission' : 'bad-input',
    `cannot listen on ${addressText(listen)}: ${code}`,
    {
      hint: 'choose an address of this machine and a port of 1024 or more',
      cause: error
    }
  )
}
