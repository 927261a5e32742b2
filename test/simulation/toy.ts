/**
 * A machine for testing the simulator: it pings on a timer, sends numbers over streams, and keeps a count on disk. It
 * checks nothing itself; tests and checkers read what it received.
 */
import { after, instant, type Instant } from '../../src/base/time.ts'
import type { NodeId } from '../../src/base/ids.ts'
import type { Channel, Machine, Now, Restored, Result } from '../../src/core/machine.ts'
import { Outbox } from '../../src/core/outbox.ts'
import type { Birth } from '../../src/sim/world.ts'
import { bytes, decode, encode, union, varint, type Decoded } from '../../src/wire/codec/codec.ts'
import type { Contact } from '../../src/wire/common.ts'

export const toyMessage = union(
  { ping: 1, pong: 2, number: 3, blob: 4 },
  { ping: { count: varint }, pong: { count: varint }, number: { value: varint }, blob: { body: bytes(2_000_000) } }
)
export type ToyMessage = Decoded<typeof toyMessage>
export type ToyCommand = { kind: 'work'; amount: number }
export type ToyEvent = { kind: 'saved'; count: number } | { kind: 'refused'; reason: string }

export type DiaryEntry =
  { kind: 'number'; peer: NodeId; value: number } | { kind: 'link'; peer: NodeId; state: 'up' | 'down' }

/** The record of `saves` on disk. */
export function savesOn(disk: Restored): number {
  const bytes = disk.get('saves')
  return bytes === undefined ? 0 : decode(varint, bytes)
}

export class Toy implements Machine<ToyMessage, ToyCommand, ToyEvent> {
  readonly birth: Birth
  readonly outbox = new Outbox<ToyMessage, ToyCommand, ToyEvent>()
  readonly peers: Contact[] = []
  readonly pings = new Map<NodeId, number>()
  readonly pongs = new Map<NodeId, number>()
  /** Received numbers and link states, in order. */
  readonly diary: DiaryEntry[] = []
  readonly sources: Contact[] = []
  readonly wokenAt: Instant[] = []
  readonly results: Result[] = []
  /**
   * The number of saves that it began, including those of earlier processes on disk, and the number that was
   * confirmed.
   */
  saves: number
  safeSaves: number
  /** Called when a link comes up. */
  onUp: (peer: NodeId) => void = () => undefined
  onDone: () => void = () => undefined
  readonly received: ToyMessage[] = []
  /** The counts of received pings, in order. */
  readonly pingCounts: number[] = []
  earlyWakes = 0
  savedInOrder = true
  private intervalMs = 100
  private pingCount = 0
  private readonly streamed = new Map<NodeId, number>()
  private readonly saving = new Map<number, number>()
  private due: Instant | undefined

  constructor(birth: Birth) {
    this.birth = birth
    this.saves = savesOn(birth.restored)
    this.safeSaves = this.saves
  }

  pingEvery(intervalMs: number, peers: readonly Contact[], now: Now): void {
    this.peers.push(...peers)
    this.intervalMs = intervalMs
    this.due = now.mono
  }

  ping(to: Contact): void {
    this.outbox.send(to, 'datagram', { kind: 'ping', count: ++this.pingCount })
  }

  blob(to: Contact, channel: Channel, lengthBytes: number): void {
    this.outbox.send(to, channel, { kind: 'blob', body: new Uint8Array(lengthBytes) })
  }

  stream(to: Contact, value: number): void {
    this.outbox.send(to, 'stream', { kind: 'number', value })
  }

  /** The next number for this peer. */
  streamNext(to: Contact): void {
    const value = (this.streamed.get(to.id) ?? 0) + 1
    this.streamed.set(to.id, value)
    this.stream(to, value)
  }

  save(): void {
    this.saves++
    this.saving.set(this.outbox.persist('saves', encode(varint, this.saves)), this.saves)
  }

  work(amount: number): void {
    this.outbox.command({ kind: 'work', amount })
  }

  receive(from: Contact, _via: Channel, message: ToyMessage): void {
    this.sources.push(from)
    this.received.push(message)
    // A message of a peer gives its current address.
    const known = this.peers.findIndex(({ id }) => id === from.id)
    if (known >= 0) this.peers[known] = from
    switch (message.kind) {
      case 'ping':
        this.pingCounts.push(message.count)
        this.pings.set(from.id, (this.pings.get(from.id) ?? 0) + 1)
        this.outbox.send(from, 'datagram', { kind: 'pong', count: message.count })
        break
      case 'pong':
        this.pongs.set(from.id, (this.pongs.get(from.id) ?? 0) + 1)
        break
      case 'number':
        this.diary.push({ kind: 'number', peer: from.id, value: message.value })
        break
      case 'blob':
    }
  }

  link(peer: NodeId, state: 'up' | 'down'): void {
    this.diary.push({ kind: 'link', peer, state })
    if (state === 'up') this.onUp(peer)
  }

  done(token: number, result: Result): void {
    this.results.push(result)
    this.onDone()
    const count = this.saving.get(token)
    if (count === undefined) return
    if (result.ok) {
      this.savedInOrder &&= count > this.safeSaves
      this.safeSaves = count
    }
    this.outbox.emit(result.ok ? { kind: 'saved', count } : { kind: 'refused', reason: result.reason })
  }

  wake(now: Now): void {
    if (this.due === undefined) return
    if (now.mono < this.due) {
      this.earlyWakes++
      return
    }
    this.wokenAt.push(now.mono)
    this.due = instant(after(this.due, this.intervalMs))
    const peer = this.birth.random.pick(this.peers)
    if (peer !== undefined) this.ping(peer)
  }

  nextWake(): Instant | undefined {
    return this.due
  }

  drain(): ReturnType<Outbox<ToyMessage, ToyCommand, ToyEvent>['drain']> {
    return this.outbox.drain()
  }
}
