/**
 * The network of one node: datagrams for what may be lost, message streams for what may not, raw streams and requests for
 * the rest. One port number for TCP and UDP.
 *
 *     net ── datagrams ── sessions ── seal, window     sealed UDP: who is proven, at which address
 *         ├─ links ──┐
 *         ├─ requests┼─ frames ── host ── admission    libp2p: TCP, noise, the overlay key, yamux
 *         ├─ streams ┘
 *         └─ refusals, state
 *
 * Participants: members, who hold an overlay key, and outsiders, who get no byte over UDP and nothing behind a noise
 * handshake over TCP. Non-goals: to find members (core does), to hide that a node is there, to withstand a flood, to cross a
 * NAT: a node that cannot be dialled is spoken to over the connections that it opened.
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

/** With port 0 the system picks a free TCP port; that the same UDP port is taken is rare, 16 times in a row is a fault. */
const PORT_TRIES_MAX = 16
/** Closing waits this long for streams to end in good order. */
export const CLOSE_MS = 3_000
/** For the name of the host to listen on. */
const RESOLVE_MS = 5_000

export interface NetInit {
  readonly identity: Identity
  readonly overlay: OverlayId
  /** The first one seals and proves; all are accepted. 32 bytes each. */
  readonly overlayKeys: readonly Uint8Array[]
  /** An IP literal of this machine, and a port; 0 takes any that is free for both. */
  readonly listen: Address
  /** The port that others must dial, where it is another than the one listened at. */
  readonly advertisedPort?: number
  readonly state: NetState
  readonly clock: () => Now
  /** The state could not be saved: worth a line in the log, nothing else depends on it. */
  readonly onFault: (error: unknown) => void
}

export type StreamHandler = (peer: NodeId, stream: ByteStream) => void | Promise<void>

export interface NetCounts {
  readonly connections: number
  /** Of the connections: those that the peer opened. */
  readonly inbound: number
  readonly links: number
  readonly refusals: number
  readonly refusalsByReason: Readonly<Record<RefusalReason, number>>
  readonly datagrams: Readonly<DatagramCounts>
}

export interface Net {
  readonly self: NodeId
  /** The listening host as it was given, and the port of both lanes. */
  readonly listening: Address
  /**
   * Best effort: never throws for what the network does. Datagrams wait for a first proof of the address; a stream is
   * opened where there is none. Handlers are not called from within. Throws RangeError over the channel's limit.
   */
  send(to: Contact, channel: Channel, payload: Uint8Array): void
  onMessage(handler: (from: Contact, via: Channel, payload: Uint8Array) => void): void
  /** `down` also answers a stream that could not be opened. */
  onLink(handler: (peer: NodeId, state: 'up' | 'down') => void): void
  onRefused(handler: (refusal: Refusal) => void): void
  /** Throws ShoalError 'unreachable', 'not-admitted', or the signal's reason. */
  openStream(to: Contact, protocol: string, signal: AbortSignal): Promise<ByteStream>
  /** Serves a protocol of byte streams. A handler that throws ends its stream. */
  handle(protocol: string, handler: StreamHandler, options?: { maxInbound?: number }): Promise<void>
  request(to: Contact, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  serve(protocol: string, handler: RequestHandler, options?: ServeOptions): Promise<void>
  /** Ends the connections to a peer, or all: what is under way on them fails now, and not when nothing came for long. */
  disconnect(peer?: NodeId): void
  /** Where a peer can be dialled, as its connection showed. */
  addressOf(peer: NodeId): Address | undefined
  counts(): NetCounts
  close(): Promise<void>
}

/** Listens on both lanes. Throws ShoalError 'conflict' when the port is taken, 'not-found' for a host that nobody knows. */
export async function openNet(told: NetInit): Promise<Net> {
  const init = { ...told, listen: await resolveAddress(told.listen, AbortSignal.timeout(RESOLVE_MS)) }
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
