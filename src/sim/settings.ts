/**
 * What a world is made of: how machines are born, what their outside is, and how bad the weather may get. `W` is the
 * world: world.ts gives these types their short names.
 */
import type { NodeId, OverlayId } from '../base/ids.ts'
import type { Now, MachineContext } from '../core/machine.ts'
import type { Codec } from '../wire/codec/codec.ts'
import type { ClockSettings } from './outside/clock.ts'
import type { DiskSettings } from './outside/disk.ts'
import type { Checker } from './failure.ts'
import type { LinkSettings } from './network/links.ts'
import type { NetworkSettings } from './network/network.ts'
import type { SimNode } from './node.ts'

/** What a machine is made from: its context, the time, and how often its node was started before. */
export interface Birth extends MachineContext {
  readonly now: Now
  /** 0 at the first start of the node. */
  readonly restarts: number
}

/** Carries out commands, in io's place, and hears what the machine hears about links. */
export interface OutsideOf<W, N, C> {
  /** Answer with `world.done(node, token, result)`, at once or later (`world.after`). */
  command(world: W, node: SimNode<N>, token: number, command: C): void
  /** Before the machine hears it. */
  link?(world: W, node: SimNode<N>, peer: NodeId, state: 'up' | 'down'): void
  /** Before the machine is made. */
  started?(world: W, node: SimNode<N>): void
  /** After the process ended; what was under way for it with `after` and `transfer` is gone. */
  ended?(world: W, node: SimNode<N>): void
}

export interface SettingsOf<W, M, C, E, N> {
  seed: number | string
  /** Called at every start of a node. */
  create: (birth: Birth, node: SimNode<N>) => N
  codec: Codec<M>
  /** False for the largest runs only: messages are handed over as they are. Default true. */
  encode?: boolean
  overlay?: OverlayId
  /** Needed when machines give commands. */
  outside?: OutsideOf<W, N, C>
  network?: Partial<NetworkSettings>
  links?: Partial<LinkSettings>
  disk?: Partial<DiskSettings>
  clock?: Partial<ClockSettings>
  checkers?: ReadonlyArray<Checker<W, SimNode<N>, E>>
  /** What the owner of the machine does with an event. May call `world.call`. */
  onEvent?: (world: W, node: SimNode<N>, event: E) => void
  /** How many last lines the trace keeps for the report. Default 80. */
  traceLines?: number
}

export interface Counts {
  datagrams: number
  datagramsLost: number
  streamMessages: number
  /** Of messages as they were sent, and of bulk; 0 for messages when the world does not encode. */
  wireBytes: number
  persists: number
  wakes: number
  crashes: number
}
