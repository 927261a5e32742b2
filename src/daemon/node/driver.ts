/**
 * Drives one machine with the real outside, as src/sim drives it with a simulated one: inputs are queued and applied in
 * order, each is followed by a drain, effects are carried out in order, and a timer waits for the next wake.
 *
 * Failures are of three kinds. What a peer sends never gets further than a counted drop: bytes that do not decode, and an
 * answer to them that breaks a limit of its schema or channel. What the outside cannot do is an answer to the machine:
 * `done` with a reason. What the machine throws, and every AssertionError, ends the driver: nothing goes in or out any more,
 * and `fault` tells the owner, who ends the process. A machine that was stopped halfway through an input is never used again.
 */
import { AssertionError, assert } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import { LinkEpochs } from '../../core/link-epochs.ts'
import type { Channel, Effect, Machine, Now, Result } from '../../core/machine.ts'
import type { Codec } from '../../wire/codec/codec.ts'
import { decode, encode } from '../../wire/codec/codec.ts'
import type { Contact } from '../../wire/common.ts'

/** setTimeout takes 32 bits; a machine with nothing to do for longer is woken early, which is harmless. */
const TIMER_MS_MAX = 60_000
/** A timer that fires this much late says that the event loop was blocked. */
const STALL_MS = 250

export interface Outside<C, E> {
  now(): Now
  /** Throws RangeError over the limit of the channel. */
  send(to: Contact, channel: Channel, payload: Uint8Array): void
  /** Resolves once the value would survive a crash. */
  persist(key: string, value: Uint8Array | undefined): Promise<Result>
  /** Answers by `done`, now or later, once. */
  execute(token: number, command: C): void
  emitted(event: E): void
  /** A message of a peer was dropped: it does not decode. */
  malformed(from: Contact, via: Channel, problem: string): void
  /** A message of this node was dropped: it breaks a limit of its schema or of the channel. */
  unsendable(to: Contact, channel: Channel, problem: string): void
  stalled(lateMs: number): void
  /** An effect failed for a reason outside of the machine, which has been told by `done` where it waits for an answer. */
  failed(effect: string, error: unknown): void
  /** The machine is broken, and this driver is closed. Called once. */
  fault(error: unknown): void
}

type DriverState =
  | { readonly kind: 'open' }
  | { readonly kind: 'closed' }
  /** `error`: what the machine threw. */
  | { readonly kind: 'broken'; readonly error: unknown }

export class Driver<M, C, E> {
  private readonly machine: Machine<M, C, E>
  private readonly codec: Codec<M>
  private readonly outside: Outside<C, E>
  private readonly inputs: Array<(now: Now) => void> = []
  private readonly epochs = new LinkEpochs()
  /** Persists and commands that the machine waits for. */
  private readonly unanswered = new Set<number>()
  private timer: NodeJS.Timeout | undefined
  private running = false
  private state: DriverState = { kind: 'open' }

  constructor(machine: Machine<M, C, E>, codec: Codec<M>, outside: Outside<C, E>) {
    this.machine = machine
    this.codec = codec
    this.outside = outside
  }

  /**
   * Calls the machine's own methods as one input; the answer is there at once. Throws ShoalError `busy` when the driver is
   * closed, and what the machine threw when it is broken. Not to be called from an event of the same machine.
   */
  call<T>(act: (now: Now) => T): T {
    if (this.state.kind === 'broken') throw this.state.error
    if (this.state.kind === 'closed') throw overlayClosed()
    assert(!this.running, 'a machine is not called within a call')
    let answer: { value: T } | undefined
    this.input(now => {
      answer = { value: act(now) }
    })
    if (answer === undefined) throw this.failure()
    return answer.value
  }

  message(from: Contact, via: Channel, payload: Uint8Array): void {
    let message: M
    try {
      message = decode(this.codec, payload)
    } catch (error) {
      // A decoder throws DecodeError only; a fault in one is no reason to let a peer's bytes end the process.
      this.outside.malformed(from, via, textOf(error))
      return
    }
    this.input(now => {
      this.machine.receive(from, via, message, now)
    })
  }

  link(peer: NodeId, state: 'up' | 'down'): void {
    const epoch = this.epochs.changed(peer, state)
    this.input(now => {
      this.machine.link(peer, state, now, epoch)
    })
  }

  /** Ends a persist or a command. A second answer to the same one is dropped and reported. */
  done(token: number, result: Result): void {
    if (this.state.kind !== 'open') return
    if (!this.unanswered.delete(token)) {
      this.outside.failed('command', new Error(`command ${token} was answered twice`))
      return
    }
    this.input(now => {
      this.machine.done(token, result, now)
    })
  }

  /** Nothing goes in or out any more. Idempotent. */
  close(): void {
    if (this.state.kind === 'open') this.state = { kind: 'closed' }
    clearTimeout(this.timer)
    this.inputs.length = 0
    this.unanswered.clear()
  }

  private input(apply: (now: Now) => void): void {
    if (this.state.kind !== 'open') return
    this.inputs.push(apply)
    this.run()
  }

  private run(): void {
    if (this.running) return
    this.running = true
    try {
      for (let apply = this.inputs.shift(); apply !== undefined; apply = this.inputs.shift()) {
        apply(this.outside.now())
        for (const effect of this.machine.drain()) if (this.state.kind === 'open') this.carryOut(effect)
      }
      this.schedule()
    } catch (error) {
      this.break(error)
    } finally {
      this.running = false
    }
  }

  private break(error: unknown): void {
    if (this.state.kind === 'broken') return
    this.state = { kind: 'broken', error }
    this.close()
    this.outside.fault(error)
  }

  private failure(): unknown {
    return this.state.kind === 'broken' ? this.state.error : new AssertionError('a call is applied at once')
  }

  private carryOut(effect: Effect<M, C, E>): void {
    switch (effect.kind) {
      case 'send':
        this.send(effect.to, effect.channel, effect.message)
        return
      case 'persist':
        this.unanswered.add(effect.token)
        this.persist(effect.token, effect.key, effect.value)
        return
      case 'command': {
        const { token, command } = effect
        this.unanswered.add(token)
        this.attempt(
          'command',
          () => {
            this.outside.execute(token, command)
          },
          () => {
            if (this.unanswered.has(token)) this.done(token, FAILED)
          }
        )
        return
      }
      case 'emit':
        this.attempt('event', () => {
          this.outside.emitted(effect.event)
        })
    }
  }

  /** A message over a limit is dropped: it grew on behalf of a peer, and the channel may lose it anyway. */
  private send(to: Contact, channel: Channel, message: M): void {
    this.attempt('send', () => {
      try {
        this.outside.send(to, channel, encode(this.codec, message))
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        this.outside.unsendable(to, channel, error.message)
      }
    })
  }

  private persist(token: number, key: string, value: Uint8Array | undefined): void {
    const answer = (result: Result): void => {
      this.done(token, result)
    }
    const fail = (error: unknown): void => {
      this.outside.failed('persist', error)
      this.done(token, FAILED)
    }
    this.attempt(
      'persist',
      () => {
        this.outside.persist(key, value).then(answer, fail)
      },
      () => {
        this.done(token, FAILED)
      }
    )
  }

  /** What the outside throws is its answer to the effect; only a broken invariant goes further. */
  private attempt(what: string, act: () => void, otherwise?: () => void): void {
    try {
      act()
    } catch (error) {
      if (error instanceof AssertionError) throw error
      this.outside.failed(what, error)
      otherwise?.()
    }
  }

  private schedule(): void {
    clearTimeout(this.timer)
    if (this.state.kind !== 'open') return
    const next = this.machine.nextWake()
    if (next === undefined) return
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(0, next - this.outside.now().mono))
    const dueMono = this.outside.now().mono + waitMs
    this.timer = setTimeout(() => {
      const lateMs = this.outside.now().mono - dueMono
      if (lateMs > STALL_MS) this.outside.stalled(lateMs)
      this.input(now => {
        this.machine.wake(now)
      })
    }, waitMs)
  }
}

/** Of an effect that the outside could not carry out. */
const FAILED: Result = { ok: false, reason: 'internal' }

/** For a call that began in an overlay which this node has closed meanwhile. */
export function overlayClosed(): ShoalError {
  return new ShoalError('busy', 'the node left this overlay, or is stopping', { hint: 'run the command again' })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
