/**
 * Drives one machine with the real outside, as src/sim drives it with a simulated one: inputs are queued and applied in
 * order, each is followed by a drain, effects are carried out in order, and a timer waits for the next wake.
 */
import type { Codec } from '../../wire/codec/codec.ts'
import { decode, encode } from '../../wire/codec/codec.ts'
import { DecodeError } from '../../wire/codec/cursor.ts'
import type { Contact } from '../../wire/common.ts'
import type { NodeId } from '../../base/ids.ts'
import { LinkEpochs } from '../../core/link-epochs.ts'
import type { Channel, Effect, Machine, Now, Result } from '../../core/machine.ts'

/** setTimeout takes 32 bits; a machine with nothing to do for longer is woken in vain, which is harmless. */
const TIMER_MS_MAX = 60_000
/** A timer that fires this much late says that the event loop, or the machine, stood still. */
const STALL_MS = 250

export interface Outside<C, E> {
  now(): Now
  send(to: Contact, channel: Channel, payload: Uint8Array): void
  /** Resolves once it would survive a crash. Never rejects. */
  persist(key: string, value: Uint8Array | undefined): Promise<Result>
  /** Answers by `done`, now or later. */
  execute(token: number, command: C): void
  emitted(event: E): void
  /** Somebody sent what is no message of ours. */
  malformed(from: Contact, via: Channel, problem: string): void
  stalled(lateMs: number): void
}

export class Driver<M, C, E> {
  private readonly machine: Machine<M, C, E>
  private readonly codec: Codec<M>
  private readonly outside: Outside<C, E>
  private readonly inputs: Array<(now: Now) => void> = []
  private readonly epochs = new LinkEpochs()
  private timer: NodeJS.Timeout | undefined
  private running = false
  private closed = false

  constructor(machine: Machine<M, C, E>, codec: Codec<M>, outside: Outside<C, E>) {
    this.machine = machine
    this.codec = codec
    this.outside = outside
  }

  /** An input that is none of the contract's: a call of the machine's own methods. */
  input(apply: (now: Now) => void): void {
    if (this.closed) return
    this.inputs.push(apply)
    this.run()
  }

  message(from: Contact, via: Channel, payload: Uint8Array): void {
    let message: M
    try {
      message = decode(this.codec, payload)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.outside.malformed(from, via, error.message)
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

  done(token: number, result: Result): void {
    this.input(now => {
      this.machine.done(token, result, now)
    })
  }

  /** Nothing goes in or out any more. */
  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.inputs.length = 0
  }

  private run(): void {
    if (this.running) return
    this.running = true
    try {
      for (let apply = this.inputs.shift(); apply !== undefined; apply = this.inputs.shift()) {
        apply(this.outside.now())
        for (const effect of this.machine.drain()) this.carryOut(effect)
      }
    } finally {
      this.running = false
    }
    this.schedule()
  }

  private carryOut(effect: Effect<M, C, E>): void {
    switch (effect.kind) {
      case 'send':
        this.outside.send(effect.to, effect.channel, encode(this.codec, effect.message))
        return
      case 'persist': {
        const { token } = effect
        void this.outside.persist(effect.key, effect.value).then(result => {
          this.done(token, result)
        })
        return
      }
      case 'command':
        this.outside.execute(effect.token, effect.command)
        return
      case 'emit':
        this.outside.emitted(effect.event)
    }
  }

  private schedule(): void {
    clearTimeout(this.timer)
    if (this.closed) return
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
