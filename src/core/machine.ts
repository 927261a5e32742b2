/**
 * The contract of a protocol, a synchronous and deterministic machine. Inputs are method calls. Outputs are effects and
 * the time of the next wake. It reads no clock, uses only the random generator it was given, does no IO and awaits
 * nothing. The daemon and the simulator drive the same code, like quinn-proto, etcd's raft and TigerBeetle's VOPR.
 *
 * Rules for drivers: queue inputs, and never call a machine while its effects are drained. Drain after every call.
 * Carry out effects in order.
 *
 * Rules for machines: send a message that depends on a persist or a command only after its `done`. Never throw on bad
 * input from a peer: count and emit it. Give every map, queue and wait a named limit. Two machines built from the same
 * arguments produce the same effects from the same inputs.
 */
import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { Instant, WallMs } from '../base/time.ts'
import type { Contact } from '../wire/common.ts'

/** Timers use `mono`. `wall` is for display and for measuring offsets; no protocol decision depends on it. */
export interface Now {
  mono: Instant
  wall: WallMs
}

/** Datagrams may be lost, duplicated, delayed or reordered. A stream is ordered and lossless from `up` to `down`. */
export type Channel = 'datagram' | 'stream'

/** The outcome of a persist or a command. A failure, such as a full disk, may carry a partial result in `value`. */
export type Result = { ok: true; value?: unknown } | { ok: false; reason: string; value?: unknown }

export type Effect<M, C, E> =
  /** Best effort: it may be lost. Opens a stream when there is none; `link` down reports that this failed. */
  | { kind: 'send'; to: Contact; channel: Channel; message: M }
  /** The latest value wins; undefined deletes. `done` with the token follows once the value would survive a crash. */
  | { kind: 'persist'; token: number; key: string; value?: Uint8Array | undefined }
  /** Work for io. It names contents and ranges, and never carries bytes of files. `done` with the token follows. */
  | { kind: 'command'; token: number; command: C }
  /** For the owner of the machine; never sent to the network. */
  | { kind: 'emit'; event: E }

export interface Machine<M, C, E> {
  /** One decoded message. `from.address` is the source address (datagram) or the peer's known address (stream). */
  receive(from: Contact, via: Channel, message: M, now: Now): void
  /**
   * The stream to a peer opened or closed. `down` ends all state of the stream, and also reports a failed dial. `epoch`
   * grows with each stream that opens. `down` has the epoch that ended, or NO_LINK after a failed dial
   * (link-epochs.ts).
   */
  link(peer: NodeId, state: 'up' | 'down', now: Now, epoch: number): void
  done(token: number, result: Result, now: Now): void
  /** The driver calls it at or after nextWake(). Early or repeated calls are harmless. */
  wake(now: Now): void
  nextWake(): Instant | undefined
  /** Returns and removes the effects since the last drain, in order. */
  drain(): Array<Effect<M, C, E>>
}

/** The values that a machine had persisted when the node started. */
export type Restored = ReadonlyMap<string, Uint8Array>

/** Signs as this node. The implementation adds the overlay's id, so that a signature is valid in one overlay only. */
export interface Signer {
  readonly id: NodeId
  /** Returns 64 bytes. `domain` names the kind of claim, such as `shoal/alive/1`. */
  sign(domain: string, claim: Uint8Array): Uint8Array
}

export interface Verifier {
  verify(id: NodeId, domain: string, claim: Uint8Array, signature: Uint8Array): boolean
}

/** What every machine is constructed from, apart from its own settings. */
export interface MachineContext {
  readonly self: Contact
  readonly random: Random
  readonly signer: Signer
  readonly verifier: Verifier
  readonly restored: Restored
}
