/**
 * The settings of a world: how machines are created, what carries out their commands, and how the network, disks and
 * clocks behave. `W` is the type of the world; world.ts defines short names for these types.
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

/** The arguments for creating a machine: its context, the time, and the number of earlier starts of its node. */
export interface Birth extends MachineContext {
  readonly now: Now
  /** 0 at the first start of the node. */
  readonly restarts: number
}

/** Stands in for io: carries out commands, and is notified of links and processes. */
export interface OutsideOf<W, N, C> {
  /** Must answer with `world.done(node, token, result)`, at once or later (`world.after`). */
  command(world: W, node: SimNode<N>, token: number, command: C): void
  /** Called before the machine's `link`. */
  link?(world: W, node: SimNode<N>, peer: NodeId, state: 'up' | 'down'): void
  /** Called before the machine is created. */
  started?(world: W, node: SimNode<N>): void
  /** Called after the process ended. Its pending `after` and `transfer` calls are cancelled. */
  ended?(world: W, node: SimNode<N>): void
}

export interface SettingsOf<W, M, C, E, N> {
  seed: number | string
  /** Called at every start of a node. */
  create: (birth: Birth, node: SimNode<N>) => N
  codec: Codec<M>
  /** False: messages are passed as objects, without encoding. For the largest runs only. Default true. */
  encode?: boolean
  overlay?: OverlayId
  /** Required when machines emit commands. */
  outside?: OutsideOf<W, N, C>
  network?: Partial<NetworkSettings>
  links?: Partial<LinkSettings>
  disk?: Partial<DiskSettings>
  clock?: Partial<ClockSettings>
  checkers?: ReadonlyArray<Checker<W, SimNode<N>, E>>
  /** Handles an event in place of the machine's owner. May call `world.call`. */
  onEvent?: (world: W, node: SimNode<N>, event: E) => void
  /** The number of lines that the trace keeps for the report. Default 80. */
  traceLines?: number
}

export interface Counts {
  datagrams: number
  datagramsLost: number
  streamMessages: number
  /** Bytes of sent messages and of bulk transfers. Messages count 0 when the world does not encode. */
  wireBytes: number
  persists: number
  wakes: number
  crashes: number
}
