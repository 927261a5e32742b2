/**
 * What a room is to the node: one entry of a table, which says all that the node has to know of it. The types of the node's
 * messages, commands and events follow from the table.
 */
import type { NodeId } from '../../base/ids.ts'
import type { Codec } from '../../wire/codec/codec.ts'
import type { Contact } from '../../wire/common.ts'
import type { OverlaySettings } from '../../wire/ticket.ts'
import type { Machine, MachineContext, Now } from '../machine.ts'

export type AnyMachine = Machine<unknown, unknown, unknown>

type EffectOf<R extends AnyMachine> = ReturnType<R['drain']>[number]
export type MessageOf<R extends AnyMachine> = Extract<EffectOf<R>, { kind: 'send' }>['message']
export type CommandOf<R extends AnyMachine> = Extract<EffectOf<R>, { kind: 'command' }>['command']
export type EventOf<R extends AnyMachine> = Extract<EffectOf<R>, { kind: 'emit' }>['event']

/** `S`: the siblings that it calls. `O`: what it takes of the node's options. */
export interface Room<R extends AnyMachine, S, O> {
  /** Of its messages in the envelope. Never changed and never used twice: see wire/codec. */
  readonly number: number
  readonly codec: Codec<MessageOf<R>>
  readonly create: (context: MachineContext, options: O, now: Now) => R
  /** Called once, when all rooms have been created. */
  readonly connect?: (room: R, siblings: S, self: NodeId) => Wiring
}

/** What this node decides itself, beside what the members of its overlay agree on. */
export interface OwnSettings {
  readonly uploadsMax: number
}

/** A room of a shoal's node. Its settings follow from what the members agree on. */
export interface NodeRoom<R extends AnyMachine, S, O> extends Room<R, S, O> {
  readonly settings: (overlay: OverlaySettings, own: OwnSettings) => unknown
}

/** How a room works with its siblings. */
export interface Wiring {
  /** The node starts. Rooms start in the order of the table. */
  readonly start?: (contacts: readonly Contact[], now: Now) => void
  /** What it does with an event, by the name of the room that emitted it; its own events too, which may ask a sibling. */
  readonly hears?: { readonly [name: string]: ((event: never, now: Now) => void) | undefined }
}

interface AnyRoom {
  readonly number: number
  readonly codec: Codec<unknown>
  readonly create: (context: MachineContext, options: never, now: Now) => AnyMachine
  readonly connect?: (room: never, siblings: never, self: NodeId) => Wiring
}

/** The rooms of a node by their names, in the order in which they start and hear events. */
export type Table = Readonly<Record<string, AnyRoom>>

export type RoomsOf<T> = {
  readonly [N in keyof T]: T[N] extends { readonly create: (...args: never) => infer R extends AnyMachine } ? R : never
}

/** Holds when every room handles events of the type that its sibling emits, and calls siblings that are there. */
export type Checked<T, O> = {
  readonly [N in keyof T]: {
    readonly create: (context: MachineContext, options: O, now: Now) => RoomsOf<T>[N]
    readonly connect?: (
      room: RoomsOf<T>[N],
      siblings: RoomsOf<T>,
      self: NodeId
    ) => {
      readonly start?: Wiring['start']
      readonly hears?: { readonly [M in keyof T]?: (event: EventOf<RoomsOf<T>[M]>, now: Now) => void }
    }
  }
}

type Names<T> = keyof T & string
export type TableMessage<T> = { [N in Names<T>]: { kind: N; message: MessageOf<RoomsOf<T>[N]> } }[Names<T>]
export type TableCommand<T> = { [N in Names<T>]: CommandOf<RoomsOf<T>[N]> }[Names<T>]
/** What the owner hears: a room's event under the room's name. */
export type TableEvent<T> = { [N in Names<T>]: { room: N; event: EventOf<RoomsOf<T>[N]> } }[Names<T>]
