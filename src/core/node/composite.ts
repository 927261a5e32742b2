/**
 * Several rooms composed into one machine by a table (room.ts). A room knows nothing of its siblings; what one of them emits
 * is told to the others here, until all is quiet.
 *
 * Tokens of a room are interleaved with those of the others (token * rooms + place), and its persisted keys are prefixed
 * with its name. A token is never kept over a restart, but keys are: the name of a room never changes.
 */
import { assert, expectDefined } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import { earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { Channel, Effect, Machine, MachineContext, Now, Restored, Result } from '../machine.ts'
import type {
  AnyMachine,
  Checked,
  Room,
  RoomsOf,
  Table,
  TableCommand,
  TableEvent,
  TableMessage,
  Wiring
} from './room.ts'

/** Rounds of events between rooms that one input may cause. More is a loop of ours. */
const ROUNDS_MAX = 10_000

interface Part {
  readonly name: string
  readonly machine: AnyMachine
  wiring: Wiring
}

export class Composite<T extends Table & Checked<T, O>, O> implements Machine<
  TableMessage<T>,
  TableCommand<T>,
  TableEvent<T>
> {
  readonly rooms: RoomsOf<T>
  private readonly parts: readonly Part[]
  private readonly byName: ReadonlyMap<string, Part>
  private effects: Array<Effect<TableMessage<T>, TableCommand<T>, TableEvent<T>>> = []

  constructor(table: T, context: MachineContext, options: O, now: Now) {
    // As Checked has it, entry by entry.
    const entries = Object.entries(table as unknown as Readonly<Record<string, Room<AnyMachine, RoomsOf<T>, O>>>)
    this.parts = entries.map(([name, entry]) => ({
      name,
      machine: entry.create(contextOf(name, context), options, now),
      wiring: {}
    }))
    this.byName = new Map(this.parts.map(part => [part.name, part]))
    this.rooms = Object.fromEntries(this.parts.map(({ name, machine }) => [name, machine])) as RoomsOf<T>
    for (const [name, { connect }] of entries) {
      const part = this.part(name)
      part.wiring = connect?.(part.machine, this.rooms, context.self.id) ?? {}
    }
  }

  /** Starts the rooms in the order of the table. */
  start(contacts: readonly Contact[], now: Now): void {
    for (const { wiring } of this.parts) wiring.start?.(contacts, now)
    this.settle(now)
  }

  /** Any call of a room's own methods, followed by telling its siblings. */
  call<A>(act: (node: this) => A, now: Now): A {
    const answer = act(this)
    this.settle(now)
    return answer
  }

  receive(from: Contact, via: Channel, message: TableMessage<T>, now: Now): void {
    this.part(message.kind).machine.receive(from, via, message.message, now)
    this.settle(now)
  }

  link(peer: NodeId, state: 'up' | 'down', now: Now, epoch: number): void {
    for (const { machine } of this.parts) machine.link(peer, state, now, epoch)
    this.settle(now)
  }

  done(token: number, result: Result, now: Now): void {
    const count = this.parts.length
    const { machine } = expectDefined(this.parts[token % count], 'a room has the token')
    machine.done(Math.floor(token / count), result, now)
    this.settle(now)
  }

  wake(now: Now): void {
    for (const { machine } of this.parts) {
      const due = machine.nextWake()
      if (due !== undefined && due <= now.mono) machine.wake(now)
    }
    this.settle(now)
  }

  nextWake(): Instant | undefined {
    return earliest(...this.parts.map(({ machine }) => machine.nextWake()))
  }

  drain(): Array<Effect<TableMessage<T>, TableCommand<T>, TableEvent<T>>> {
    const drained = this.effects
    this.effects = []
    return drained
  }

  /** Moves events between the rooms until none is left. */
  private settle(now: Now): void {
    for (let round = 0; ; round++) {
      assert(round < ROUNDS_MAX, 'the rooms come to rest')
      let quiet = true
      for (const [place, part] of this.parts.entries()) {
        // All that is for the outside before what its siblings do with its events.
        const events = part.machine.drain().flatMap(effect => this.translate(part.name, place, effect))
        for (const event of events) {
          quiet = false
          for (const { wiring } of this.parts) wiring.hears?.[part.name]?.(event as never, now)
          this.effects.push({ kind: 'emit', event: { room: part.name, event } })
        }
      }
      if (quiet) return
    }
  }

  /** Takes an effect for the outside over; returns an event, which is for the siblings first. */
  private translate(name: string, place: number, effect: Effect<unknown, unknown, unknown>): unknown[] {
    const outer = (token: number): number => token * this.parts.length + place
    switch (effect.kind) {
      case 'send':
        this.effects.push({ ...effect, message: { kind: name, message: effect.message } })
        return []
      case 'persist':
        this.effects.push({ ...effect, token: outer(effect.token), key: `${name}/${effect.key}` })
        return []
      case 'command':
        this.effects.push({ ...effect, token: outer(effect.token), command: effect.command as TableCommand<T> })
        return []
      case 'emit':
        return [effect.event]
    }
  }

  private part(name: string): Part {
    return expectDefined(this.byName.get(name), 'a room for every name of the table')
  }
}

function contextOf(name: string, context: MachineContext): MachineContext {
  return { ...context, random: context.random.fork(name), restored: restoredOf(name, context.restored) }
}

/** What a room persisted, under its own keys. */
function restoredOf(name: string, restored: Restored): Restored {
  const prefix = `${name}/`
  const own = new Map<string, Uint8Array>()
  for (const [key, value] of restored) if (key.startsWith(prefix)) own.set(key.slice(prefix.length), value)
  return own
}
