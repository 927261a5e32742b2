/**
 * The contract of a protocol: a synchronous, deterministic machine. Methods go in, plain effects and the time of the next
 * wake come out. It reads no clock, draws no randomness of its own, opens nothing, awaits nothing. The daemon and the
 * simulator drive the same code (quinn-proto, etcd's raft and TigerBeetle's VOPR are the precedents).
 *
 * Rules for drivers: inputs are queued, and a machine is never called while it is being drained; every call is followed by
 * a drain; effects are carried out in order. What depends on the disk is sent only after `done`.
 *
 * Rules for machines: bad input from a peer never throws, it is counted and emitted; every map, queue and wait has a named
 * limit; two machines built from the same arguments and given the same inputs give the same effects.
 */
import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { Instant, WallMs } from '../base/time.ts'
import type { Contact } from '../wire/common.ts'

/** Timers run on `mono`. `wall` is for people and for measuring offsets; no decision of a protocol reads it. */
export interface Now {
  mono: Instant
  wall: WallMs
}

/** A datagram may be lost, doubled, late or overtaken; a stream to a peer is ordered and lossless between up and down. */
export type Channel = 'datagram' | 'stream'

/** The end of a persist or a command. A full disk is an answer, not an exception. What failed may have got somewhere: `value`. */
export type Result = { ok: true; value?: unknown } | { ok: false; reason: string; value?: unknown }

export type Effect<M, C, E> =
  /** Best effort, may be lost. A stream is opened when there is none; that it failed is told by `link` down. */
  | { kind: 'send'; to: Contact; channel: Channel; message: M }
  /** Latest wins; undefined deletes. Answered by `done` with the token once it would survive a crash. */
  | { kind: 'persist'; token: number; key: string; value?: Uint8Array | undefined }
  /** Work for io, by handle: never bytes of files. Answered by `done` with the token. */
  | { kind: 'command'; token: number; command: C }
  /** To the owner, never to the network. */
  | { kind: 'emit'; event: E }

export interface Machine<M, C, E> {
  /** One decoded message; `from.address` is where it came from (datagram) or the peer's known address (stream). */
  receive(from: Contact, via: Channel, message: M, now: Now): void
  /**
   * The stream to a peer came up or ended; state tied to it ends with it. `down` also answers a dial that failed. `epoch`
   * grows with each link that comes up; `down` names the epoch that ended, or NO_LINK after a failed dial (link-epochs.ts).
   */
  link(peer: NodeId, state: 'up' | 'down', now: Now, epoch: number): void
  done(token: number, result: Result, now: Now): void
  /** Call at or after nextWake(); early or repeated calls are harmless. */
  wake(now: Now): void
  nextWake(): Instant | undefined
  /** What was decided since the last drain, in order. */
  drain(): Array<Effect<M, C, E>>
}

/** What a machine persisted, as it was when the node started. */
export type Restored = ReadonlyMap<string, Uint8Array>

/** Signs as this node. The implementation adds the overlay's id: a claim of one overlay means nothing in another. */
export interface Signer {
  readonly id: NodeId
  /** `domain` names what is claimed (`shoal/alive/1`); 64 bytes. */
  sign(domain: string, claim: Uint8Array): Uint8Array
}

export interface Verifier {
  verify(id: NodeId, domain: string, claim: Uint8Array, signature: Uint8Array): boolean
}

/** What every machine is built from, beside its own settings. */
export interface MachineContext {
  readonly self: Contact
  readonly random: Random
  readonly signer: Signer
  readonly verifier: Verifier
  readonly restored: Restored
}
