/** The UDP socket of Sessions: passes datagrams in, transmits what Sessions emits, and runs its timer. */
import { createSocket, type Socket } from 'node:dgram'
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { ShoalError } from '../../../base/errors.ts'
import type { Now } from '../../../core/machine.ts'
import type { Address, Contact } from '../../../wire/common.ts'
import { plainHost, portInUse } from '../address.ts'
import { Sessions, type SessionEvent, type SessionsInit } from './sessions.ts'

/** The kernel buffers bursts of gossip in a large shoal while the event loop is busy. */
const SOCKET_BUFFER_BYTES = 1 << 20

export interface DatagramsInit extends SessionsInit {
  readonly listen: Address
  readonly clock: () => Now
  readonly onEvent: (event: Exclude<SessionEvent, { kind: 'transmit' }>) => void
}

/** Datagrams that passed the socket since the start, refused ones included. */
export interface DatagramCounts {
  received: number
  receivedBytes: number
  sent: number
  sentBytes: number
}

export class Datagrams {
  readonly counts: DatagramCounts = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 }
  private readonly socket: Socket
  private readonly sessions: Sessions
  private readonly init: DatagramsInit
  private readonly mapped: boolean
  private timer: NodeJS.Timeout | undefined
  private closed = false

  private constructor(socket: Socket, init: DatagramsInit) {
    this.socket = socket
    this.init = init
    this.sessions = new Sessions(init)
    this.mapped = isIPv6(init.listen.host)
    // Errors of single datagrams (such as ICMP unreachable) are ignored: datagrams may be lost.
    socket.on('error', () => undefined)
    socket.on('message', (bytes, source) => {
      this.counts.received++
      this.counts.receivedBytes += bytes.length
      this.sessions.receive(bytes, { host: plainHost(source.address), port: source.port }, init.clock().mono)
      this.carryOut()
    })
  }

  /** Throws ShoalError 'conflict' when the port is in use, 'bad-input' when the address cannot be bound. */
  static async bind(init: DatagramsInit): Promise<Datagrams> {
    const { listen } = init
    const socket = createSocket({
      type: isIPv6(listen.host) ? 'udp6' : 'udp4',
      // Hosts are IP literals, so no name is resolved.
      lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4)
    })
    try {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>()
      socket.once('error', reject)
      socket.bind({ address: listen.host, port: listen.port, exclusive: true }, () => resolve(undefined))
      await promise
      socket.removeListener('error', reject)
      socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
    } catch (error) {
      socket.close()
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EADDRINUSE') throw portInUse('UDP', listen, error)
      throw new ShoalError('bad-input', `cannot listen on ${listen.host}: ${code ?? String(error)}`, { cause: error })
    }
    return new Datagrams(socket, init)
  }

  get port(): number {
    return this.socket.address().port
  }

  /** Best effort. Drops the payload when the host is a name rather than an IP literal. */
  send(to: Contact, payload: Uint8Array): void {
    if (this.closed || isIP(to.address.host) === 0) return
    this.sessions.send(to, payload, this.init.clock().mono)
    this.carryOut()
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.timer)
    const { promise, resolve } = Promise.withResolvers<undefined>()
    this.socket.close(() => resolve(undefined))
    await promise
  }

  private carryOut(): void {
    for (const event of this.sessions.drain()) {
      if (this.closed) return
      if (event.kind === 'transmit') this.transmit(event.to, event.bytes)
      else this.init.onEvent(event)
    }
    this.schedule()
  }

  private transmit(to: Address, bytes: Uint8Array): void {
    const host = this.mapped && isIPv4(to.host) ? `::ffff:${to.host}` : to.host
    if (!this.mapped && !isIPv4(host)) return
    this.counts.sent++
    this.counts.sentBytes += bytes.length
    this.socket.send(bytes, to.port, host, () => undefined)
  }

  private schedule(): void {
    clearTimeout(this.timer)
    const next = this.sessions.nextWake()
    if (next === undefined || this.closed) return
    const waitMs = Math.max(1, Math.ceil(next - this.init.clock().mono))
    this.timer = setTimeout(() => {
      this.sessions.wake(this.init.clock().mono)
      this.carryOut()
    }, waitMs)
    this.timer.unref()
  }
}
