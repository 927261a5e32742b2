/** Real nodes on loopback, closed after each test even when it fails. */
import { createSocket } from 'node:dgram'
import { connect, createServer, type AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { textOf, utf8 } from '../../../src/base/bytes.ts'
import { overlayId, type NodeId } from '../../../src/base/ids.ts'
import { now } from '../../../src/io/clock.ts'
import { newIdentity } from '../../../src/io/identity.ts'
import { openNet, type Net, type NetInit } from '../../../src/io/net/net.ts'
import type { Refusal } from '../../../src/io/net/refusals.ts'
import { memoryNetState } from '../../../src/io/net/datagram/state.ts'
import type { Contact } from '../../../src/wire/common.ts'

export const overlay = overlayId(new Uint8Array(32).fill(1))
export const overlayKey = new Uint8Array(32).fill(2)

/** A node that records received messages, link states and refusals. */
export class Node {
  readonly net: Net
  /** Received messages as `via text`, in order. */
  readonly heard: string[] = []
  readonly links: Array<'up' | 'down'> = []
  readonly refusals: Refusal[] = []
  private watchers: Array<() => void> = []

  constructor(net: Net) {
    this.net = net
    net.onMessage((_, via, payload) => this.note(() => this.heard.push(`${via} ${textOf(payload)}`)))
    net.onLink((_, state) => this.note(() => this.links.push(state)))
    net.onRefused(refusal => this.note(() => this.refusals.push(refusal)))
  }

  get id(): NodeId {
    return this.net.self
  }

  get contact(): Contact {
    return { id: this.net.self, address: this.net.listening }
  }

  say(to: Contact, channel: 'datagram' | 'stream', text: string): void {
    this.net.send(to, channel, utf8(text))
  }

  /** Resolves when the condition holds; rejects after ten seconds. */
  async until(claim: (node: this) => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(10_000)
    while (!claim(this)) {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>()
      const late = (): void => reject(new Error(`not so within 10 s: ${claim.toString()}\n${JSON.stringify(this.log)}`))
      this.watchers.push(() => resolve(undefined))
      deadline.addEventListener('abort', late)
      await promise.finally(() => deadline.removeEventListener('abort', late))
    }
  }

  private get log(): object {
    return { heard: this.heard.slice(-5), links: this.links, refusals: this.refusals.slice(-5) }
  }

  private note(take: () => void): void {
    take()
    const { watchers } = this
    this.watchers = []
    for (const watcher of watchers) watcher()
  }
}

export async function startNode(init: Partial<NetInit> = {}): Promise<Node> {
  const net = await openNet({
    identity: newIdentity(),
    overlay,
    overlayKeys: [overlayKey],
    listen: { host: '127.0.0.1', port: 0 },
    state: memoryNetState(),
    clock: now,
    onFault: error => {
      throw error
    },
    ...init
  })
  onTestFinished(() => net.close())
  return new Node(net)
}

/** Sends bytes over TCP and returns all bytes received until the other side closed the connection. */
export async function tcpExchange(port: number, ...writes: Uint8Array[]): Promise<Uint8Array> {
  const socket = connect({ host: '127.0.0.1', port })
  onTestFinished(() => void socket.destroy())
  const chunks: Uint8Array[] = []
  const { promise, resolve } = Promise.withResolvers<undefined>()
  socket.on('data', chunk => chunks.push(chunk))
  socket.on('error', () => resolve(undefined))
  socket.on('close', () => resolve(undefined))
  for (const bytes of writes) socket.write(bytes)
  await promise
  return Buffer.concat(chunks)
}

export interface UdpProbe {
  send(bytes: Uint8Array, port: number): Promise<void>
  port: number
  /** Received datagrams. */
  answers: number
}

export async function udpProbe(): Promise<UdpProbe> {
  const socket = createSocket('udp4')
  const probe: UdpProbe = {
    port: 0,
    answers: 0,
    send: (bytes, port) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, port, '127.0.0.1', error => (error ? reject(error) : resolve()))
      })
  }
  socket.on('message', () => probe.answers++)
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  onTestFinished(() => void socket.close())
  probe.port = socket.address().port
  return probe
}

/** A TCP server that closes every connection at once, and counts them. */
export async function refusingServer(): Promise<{ port: number; dials: () => number }> {
  let dials = 0
  const server = createServer(socket => {
    dials++
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, dials: () => dials }
}
