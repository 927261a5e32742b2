/**
 * The states of one download and the transitions between them. No I/O happens here: downloads.ts calls a method when the
 * owner of the node commands something or when the node or the store reports an event, and then acts on the new state.
 *
 *   adding -> running <-> waiting
 *   running | waiting -> paused -> adding or running
 *   running | waiting -> complete
 *   adding | running | waiting | paused | removing -> failing -> failed
 *   running | waiting | paused | complete -> adding        another `get`
 *   running | waiting | paused | failing | complete -> removing -> removed
 *   adding -> removed        the catalogue refused it
 *
 * failed and removed are final: a later `get` makes a new download.
 *
 * A method that is called in a state that it does not name throws AssertionError: it is a bug of the caller.
 */
import { AssertionError } from '../../base/assert.ts'
import type { ShoalError } from '../../base/errors.ts'
import type { Progress } from '../../core/exchange/contract.ts'

export type DownloadState =
  /** The catalogue is being written; the node does not know of it yet. */
  | { readonly kind: 'adding' }
  /** The node looks for holders, prepares the target, fetches or finishes. */
  | { readonly kind: 'running' }
  /** Nothing can be fetched now; the node continues by itself when there is room on the disk, another holder, or an offer. */
  | { readonly kind: 'waiting'; readonly for: WaitCause; readonly problem: ShoalError }
  /** The user paused it. It stays paused over a restart, until `get`. */
  | { readonly kind: 'paused' }
  /** It failed and is being cleaned up. */
  | { readonly kind: 'failing'; readonly problem: ShoalError }
  /** It failed, and the node does not know of it any more. Final. */
  | { readonly kind: 'failed'; readonly problem: ShoalError }
  /** Every wanted file has its final name. `progress` is the node's last word on it. */
  | { readonly kind: 'complete'; readonly progress: Progress }
  /** The node and the store are forgetting it. */
  | { readonly kind: 'removing' }
  /** It is forgotten. Final. */
  | { readonly kind: 'removed' }

export type StateKind = DownloadState['kind']
/** room: the disk is full. holder: every known holder is banned. offer: no member that answers has what is missing. */
export type WaitCause = 'room' | 'holder' | 'offer'

export class Download {
  private current: DownloadState

  /** A download that is added now, or one that an earlier process left running or paused. */
  constructor(kind: 'adding' | 'running' | 'paused') {
    this.current = { kind }
  }

  get state(): DownloadState {
    return this.current
  }

  /** The node works on it, or will when it can. */
  isActive(): boolean {
    return this.is('running', 'waiting')
  }

  is(...kinds: readonly StateKind[]): boolean {
    return kinds.includes(this.current.kind)
  }

  /** running, waiting, paused or complete -> adding: `get` was called again with other options, or after the end. */
  add(): void {
    this.from('add', 'running', 'waiting', 'paused', 'complete')
    this.current = { kind: 'adding' }
  }

  /** adding -> running: the catalogue holds it. */
  added(): void {
    this.from('added', 'adding')
    this.current = { kind: 'running' }
  }

  /** running or waiting -> waiting. */
  wait(cause: WaitCause, problem: ShoalError): void {
    this.from('wait', 'running', 'waiting')
    this.current = { kind: 'waiting', for: cause, problem }
  }

  /** waiting -> running: what it waited for is there. */
  proceed(): void {
    this.from('proceed', 'waiting')
    this.current = { kind: 'running' }
  }

  /** running or waiting -> paused: the user asked for it. */
  pause(): void {
    this.from('pause', 'running', 'waiting')
    this.current = { kind: 'paused' }
  }

  /** paused -> running: `get` was called again with the same options. */
  resume(): void {
    this.from('resume', 'paused')
    this.current = { kind: 'running' }
  }

  /** running or waiting -> complete. */
  complete(progress: Progress): void {
    this.from('complete', 'running', 'waiting')
    this.current = { kind: 'complete', progress }
  }

  /** adding, running, waiting, paused or removing -> failing: it does not continue without the user. */
  fail(problem: ShoalError): void {
    this.from('fail', 'adding', 'running', 'waiting', 'paused', 'removing')
    this.current = { kind: 'failing', problem }
  }

  /** failing -> failed: the clean-up has ended. */
  failed(): void {
    const { problem } = this.from('failed', 'failing')
    this.current = { kind: 'failed', problem }
  }

  /** running, waiting, paused, failing or complete -> removing. */
  remove(): void {
    this.from('remove', 'running', 'waiting', 'paused', 'failing', 'complete')
    this.current = { kind: 'removing' }
  }

  /** adding or removing -> removed: neither the node nor the catalogue holds anything of it. */
  removed(): void {
    this.from('removed', 'adding', 'removing')
    this.current = { kind: 'removed' }
  }

  /** The current state. Throws AssertionError when it is none of `kinds`. */
  private from<K extends StateKind>(method: string, ...kinds: readonly K[]): DownloadState & { kind: K } {
    const state = this.current
    if (!(kinds as readonly StateKind[]).includes(state.kind))
      throw new AssertionError(`invariant broken: a download that is ${state.kind} takes no ${method}()`)
    return state as DownloadState & { kind: K }
  }
}
