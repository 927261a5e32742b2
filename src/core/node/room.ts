/**
 * A room as the node sees it: its machine behind a name, its effects translated into the node's. Tokens of a room are
 * interleaved with those of the others (token * rooms + place), its persisted keys are prefixed with its name.
 */
import { expectDefined } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { Channel, Effect, Machine, Now, Restored, Result } from '../machine.ts'

/** The rooms in the order of their tokens. Append only: a token is never kept over a restart, but keys are. */
export const ROOMS = ['membership', 'ring', 'records', 'exchange', 'search'] as const
export type RoomName = (typeof ROOMS)[number]

/** A room with its types folded away. `E` is the node's effect, `V` the room's own event. */
export interface Room<E, V> {
  readonly name: RoomName
  receive(from: Contact, via: Channel, message: unknown, now: Now): void
  link(peer: NodeId, state: 'up' | 'down', now: Now, epoch: number): void
  done(token: number, result: Result, now: Now): void
  wake(now: Now): void
  nextWake(): Instant | undefined
  /** Everything for the outside, translated; events of the room apart, for its siblings. */
  drain(): { effects: E[]; events: V[] }
}

/** `wrap` puts a room's message into the node's envelope; `lift` makes a room's command the node's. */
export function room<M, C, V, NM, NC, NE>(
  name: RoomName,
  machine: Machine<M, C, V>,
  wrap: (message: M) => NM,
  lift: (command: C) => NC
): Room<Effect<NM, NC, NE>, V> {
  const place = ROOMS.indexOf(name)
  const outer = (token: number): number => token * ROOMS.length + place
  return {
    name,
    receive: (from, via, message, now) => {
      machine.receive(from, via, message as M, now)
    },
    link: (peer, state, now, epoch) => {
      machine.link(peer, state, now, epoch)
    },
    done: (token, result, now) => {
      machine.done(token, result, now)
    },
    wake: now => {
      machine.wake(now)
    },
    nextWake: () => machine.nextWake(),
    drain: () => {
      const effects: Array<Effect<NM, NC, NE>> = []
      const events: V[] = []
      for (const effect of machine.drain()) {
        switch (effect.kind) {
          case 'send':
            effects.push({ ...effect, message: wrap(effect.message) })
            break
          case 'persist':
            effects.push({ ...effect, token: outer(effect.token), key: `${name}/${effect.key}` })
            break
          case 'command':
            effects.push({ kind: 'command', token: outer(effect.token), command: lift(effect.command) })
            break
          case 'emit':
            events.push(effect.event)
        }
      }
      return { effects, events }
    }
  }
}

/** Whose token it is, and the token as that room knows it. */
export function ownerOfToken(token: number): { name: RoomName; token: number } {
  return {
    name: expectDefined(ROOMS[token % ROOMS.length], 'a room has the token'),
    token: Math.floor(token / ROOMS.length)
  }
}

/** What a room persisted, under its own keys. */
export function restoredOf(name: RoomName, restored: Restored): Restored {
  const prefix = `${name}/`
  const own = new Map<string, Uint8Array>()
  for (const [key, value] of restored) if (key.startsWith(prefix)) own.set(key.slice(prefix.length), value)
  return own
}
