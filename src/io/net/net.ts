/**
 * The network of one node: datagrams for messages that may be lost, message streams for messages that may not, byte
 * streams and requests for everything else. TCP and UDP use one port number.
 *
 *     net ── datagrams ── sessions ── seal, window     sealed UDP: which members and addresses are proven
 *         ├─ links ──┐
 *         ├─ requests┼─ frames ── host ── admission    libp2p: TCP, noise, the overlay key, yamux
 *         ├─ streams ┘
 *         └─ refusals, state
 *
 * Participants: members, who hold an overlay key, and outsiders, whose forged datagrams get no answer and who get
 * nothing over TCP but a noise handshake. Non-goals: finding members (core does), hiding that a node exists,
 * withstanding a flood, traversing a NAT. A node that cannot be dialled is reached over the connections that it opened.
 */
import { ShoalError } from '../../base/errors.ts'
import type { NodeId, OverlayId } from '../../base/ids.ts'
import type { Channel, Now } from '../../core/machine.ts'
import type { Address, Contact } from '../../wire/common.ts'
import { PROOF_BYTES } from '../../wire/datagram.ts'
import { secretBytes } from '../entropy.ts'
import type { Identity } from '../identity.ts'
import { resolveAddress } from './address.ts'
import { Datagrams, type DatagramCounts } from './datagram/datagrams.ts'
import { Libp2pHost } from './host.ts'
import { Libp2pByteStream, type ByteStream } from './stream/byte-stream.ts'
import { PeerLinks } from './stream/links.ts'
import { REFUSAL_REASONS, Refusals, type Refusal, type RefusalReason } from './refusals.ts'
import * as requests from './stream/requests.ts'
import type { RequestHandler, RequestOptions, ServeOptions } from './stream/requests.ts'
import { countBoot, saveMemberBoot, type Boots, type NetState } from './datagram/state.ts'

/** With port 0 the system picks a free TCP port. The same UDP port is rarely in use; 16 times in a row is an error. */
const PORT_TRIES_MAX = 16
/** Closing waits this long for streams to close gracefully. */
export const CLOSE_MS = 3_000
/** Deadline for resolving the host name to listen on. */
const RESOLVE_MS = 5_000

export interface NetInit {
  readonly identity: Identity
  readonly overlay: OverlayId
  /** The first key seals and proves; all keys are accepted. 32 bytes each. */
  readonly overlayKeys: readonly Uint8Array[]
  /** An address of this machine, by IP literal or name, and a port; 0 takes one that is free for TCP and UDP. */
  readonly listen: Address
  /** The port that others must dial, when it differs from the listening port. */
  readonly advertisedPort?: number
  readonly state: NetState
  readonly clock: () => Now
  /** Called when the state could not be saved. For the log only. */
  readonly onFault: (error: unknown) => void
}

export type StreamHandler = (peer: NodeId, stream: ByteStream) => void | Promise<void>

export interface NetCounts {
  readonly connections: number
  /** Connections that the peer opened; included in `connections`. */
  readonly inbound: number
  readonly links: number
  readonly refusals: number
  readonly refusalsByReason: Readonly<Record<RefusalReason, number>>
  readonly datagrams: Readonly<DatagramCounts>
}

export interface Net {
  readonly self: NodeId
  /** The listening host, and the port of both TCP and UDP. */
  readonly listening: Address
  /**
   * Best effort: network failures are never thrown. Datagrams wait until the address is proven; a stream is opened when
   * there is none. Never calls a handler synchronously. Throws RangeError for a payload over the channel's limit.
   */
  send(to: Contact, channel: Channel, payload: Uint8Array): void
  onMessage(handler: (from: Contact, via: Channel, payload: Uint8Array) => void): void
  /** `down` is also reported when a stream could not be opened. */
  onLink(handler: (peer: NodeId, state: 'up' | 'down') => void): void
  onRefused(handler: (refusal: Refusal) => void): void
  /** Throws ShoalError 'unreachable', 'not-admitted', or the signal's reason. */
  openStream(to: Contact, protocol: string, signal: AbortSignal): Promise<ByteStream>
  /** Serves a protocol of byte streams. A handler that throws ends its stream. */
  handle(protocol: string, handler: StreamHandler, options?: { maxInbound?: number }): Promise<void>
  request(to: Contact, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  serve(protocol: string, handler: RequestHandler, options?: ServeOptions): Promise<void>
  /** Aborts the connections to a peer, or all connections, so that their streams fail now instead of at a timeout. */
  disconnect(peer?: NodeId): void
  /** The last known address at which a peer can be dialled. */
  addressOf(peer: NodeId): Address | undefined
  counts(): NetCounts
  close(): Promise<void>
}

/**
 * Listens on TCP and UDP. Throws ShoalError 'conflict' when the port is in use, 'not-found' for an unknown host name.
 */
export async function openNet(options: NetInit): Promise<Net> {
  const init = { ...options, listen: await resolveAddress(options.listen, AbortSignal.timeout(RESOLVE_MS)) }
  const boots = await countBoot(init.state, init.clock().wall / 1_000)
  for (let tries = 1; ; tries++) {
    const lanes = new Lanes(init)
    try {
      await lanes.open(boots)
      return lanes
    } catch (error) {
      await lanes.close()
      const taken = error instanceof ShoalError && error.code === 'conflict'
      if (!taken || init.listen.port !== 0 || tries === PORT_TRIES_MAX) throw error
    }
  }
}

class Lanes implements Net {
  readonly self: NodeId
  private readonly init: NetInit
  private readonly refusals: Refusals
  private host: Libp2pHost | undefined
  private links: PeerLinks | undefined
  private datagrams: Datagrams | undefined
  private readonly saving = new Set<Promise<void>>()
  private messageHandler: (from: Contact, via: Channel, payload: Uint8Array) => void = () => undefined
  private linkHandler: (peer: NodeId, state: 'up' | 'down') => void = () => undefined
  private refusedHandler: (refusal: Refusal) => void = () => undefined

  constructor(init: NetInit) {
    this.init = init
    this.self = init.identity.id
    this.refusals = new Refusals(refusal => this.refusedHandler(refusal))
  }

  async open(boots: Boots): Promise<void> {
    const { identity, overlay, overlayKeys, listen, advertisedPort, clock } = this.init
    const onRefused = (refusal: Omit<Refusal, 'suppressed'>): void => this.refusals.add(refusal, clock().mono)
    const host = await Libp2pHost.start({ identity, overlay, overlayKeys, listen, advertisedPort, onRefused })
    this.host = host
    this.datagrams = await Datagrams.bind({
      self: identity.id,
      overlay,
      overlayKeys,
      boot: boots.own,
      memberBoots: boots.members,
      nonce: () => secretBytes(PROOF_BYTES),
      listen: host.listening,
      clock,
      onEvent: event => {
        if (event.kind === 'deliver') this.messageHandler(event.from, 'datagram', event.payload)
        else if (event.kind === 'proven') this.save(event.peer, event.boot)
        else onRefused({ lane: 'udp', from: event.from, peer: event.peer, reason: event.reason })
      }
    })
    this.links = new PeerLinks({
      host,
      clock: () => clock().mono,
      onMessage: (peer, payload) => {
        const address = host.addressOf(peer)
        if (address !== undefined) this.messageHandler({ id: peer, address }, 'stream', payload)
      },
      onLink: (peer, state) => this.linkHandler(peer, state),
      onMisbehaved: peer => {
        const from = host.addressOf(peer)
        if (from !== undefined) onRefused({ lane: 'tcp', from, peer, reason: 'protocol' })
      }
    })
    await this.links.start()
  }

  get listening(): Address {
    return this.opened.listening
  }

  send(to: Contact, channel: Channel, payload: Uint8Array): void {
    if (channel === 'datagram') this.datagrams?.send(to, payload)
    else this.links?.send(to, payload)
  }

  onMessage(handler: (from: Contact, via: Channel, payload: Uint8Array) => void): void {
    this.messageHandler = handler
  }

  onLink(handler: (peer: NodeId, state: 'up' | 'down') => void): void {
    this.linkHandler = handler
  }

  onRefused(handler: (refusal: Refusal) => void): void {
    this.refusedHandler = handler
  }

  async openStream(to: Contact, protocol: string, signal: AbortSignal): Promise<ByteStream> {
    return new Libp2pByteStream(await this.opened.open(to, protocol, signal))
  }

  handle(protocol: string, handler: StreamHandler, options: { maxInbound?: number } = {}): Promise<void> {
    return this.opened.handle(
      protocol,
      (peer, stream) => handler(peer, new Libp2pByteStream(stream)),
      options.maxInbound
    )
  }

  request(to: Contact, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    return requests.request(this.opened, to, protocol, body, options)
  }

  serve(protocol: string, handler: RequestHandler, options?: ServeOptions): Promise<void> {
    return requests.serve(this.opened, protocol, handler, options)
  }

  disconnect(peer?: NodeId): void {
    this.host?.disconnect(peer)
  }

  addressOf(peer: NodeId): Address | undefined {
    return this.host?.addressOf(peer)
  }

  counts(): NetCounts {
    const reasons = REFUSAL_REASONS.map(reason => [reason, this.refusals.of(reason)] as const)
    return {
      connections: this.host?.connectionCount() ?? 0,
      inbound: this.host?.connectionCount('inbound') ?? 0,
      links: this.links?.count() ?? 0,
      refusals: this.refusals.total,
      refusalsByReason: Object.fromEntries(reasons) as Record<RefusalReason, number>,
      datagrams: this.datagrams?.counts ?? { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 }
    }
  }

  async close(): Promise<void> {
    this.links?.close()
    await this.datagrams?.close()
    await this.host?.close(CLOSE_MS)
    await Promise.all(this.saving)
  }

  private get opened(): Libp2pHost {
    if (this.host === undefined) throw new ShoalError('internal', 'the network is not open')
    return this.host
  }

  private save(peer: NodeId, boot: number): void {
    const saved: Promise<void> = saveMemberBoot(this.init.state, peer, boot)
      .catch((error: unknown) => this.init.onFault(error))
      .finally(() => this.saving.delete(saved))
    this.saving.add(saved)
  }
}
