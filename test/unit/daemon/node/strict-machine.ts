/**
 * A machine that decides at random and holds its driver to the contract of core/machine.ts: it throws AssertionError when it
 * is called within a call or undrained, when time goes back, when a wake comes too early, and when a token is answered that
 * it does not wait for. What it decided is open to tests.
 */
import { assert } from '../../../../src/base/assert.ts'
import { Random } from '../../../../src/base/random.ts'
import { after, instant, type Instant } from '../../../../src/base/time.ts'
import type { Channel, Effect, Machine, Now, Result } from '../../../../src/core/machine.ts'
import { Outbox } from '../../../../src/core/outbox.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import type { Codec } from '../../../../src/wire/codec/codec.ts'
import { toyMessage, type ToyCommand, type ToyEvent, type ToyMessage } from '../../../simulation/toy.ts'

/** Effects after which a run comes to its end. */
const EFFECTS_MAX = 400

export class StrictMachine implements Machine<ToyMessage, ToyCommand, ToyEvent> {
  readonly decided: string[] = []
  readonly unanswered = new Set<number>()
  answered = 0
  wakes = 0
  private readonly outbox = new Outbox<ToyMessage, ToyCommand, ToyEvent>()
  private readonly random: Random
  private readonly peer: Contact
  private state: 'drained' | 'called' | 'undrained' = 'drained'
  private last = -Infinity
  private due: Instant | undefined
  private count = 0

  constructor(seed: number, peer: Contact) {
    this.random = Random.from(`strict ${seed}`)
    this.peer = peer
  }

  /** A method of its own, as an owner calls it. */
  act(now: Now): number {
    return this.input(now, () => this.decide(now))
  }

  receive(_from: Contact, _via: Channel, _message: ToyMessage, now: Now): void {
    this.input(now, () => this.decide(now))
  }

  link(_peer: Contact['id'], _state: 'up' | 'down', now: Now): void {
    this.input(now, () => this.decide(now))
  }

  done(token: number, _result: Result, now: Now): void {
    this.input(now, () => {
      assert(this.unanswered.delete(token), `token ${token} waits for its answer`)
      this.answered++
      return this.decide(now)
    })
  }

  wake(now: Now): void {
    this.input(now, () => {
      assert(this.due !== undefined && now.mono >= this.due - 1e-3, 'a wake comes at its time or later')
      this.wakes++
      this.due = undefined
      return this.decide(now)
    })
  }

  nextWake(): Instant | undefined {
    return this.due
  }

  drain(): Array<Effect<ToyMessage, ToyCommand, ToyEvent>> {
    assert(this.state !== 'called', 'a machine is not drained within a call')
    this.state = 'drained'
    return this.outbox.drain()
  }

  private input(now: Now, act: () => number): number {
    assert(this.state === 'drained', `a machine is called when it is drained, not ${this.state}`)
    assert(now.mono >= this.last, 'time does not go back')
    this.last = now.mono
    this.state = 'called'
    const decided = act()
    this.state = 'undrained'
    return decided
  }

  /** Returns how many effects it decided. */
  private decide(now: Now): number {
    if (this.count >= EFFECTS_MAX) return 0
    const effects = this.random.below(4)
    for (let i = 0; i < effects; i++) this.decideOne()
    if (this.random.below(3) === 0) this.due = instant(after(now.mono, this.random.below(50)))
    return effects
  }

  private decideOne(): void {
    const number = ++this.count
    switch (this.random.below(4)) {
      case 0:
        this.outbox.send(this.peer, 'datagram', { kind: 'number', value: number })
        this.decided.push(`send ${number}`)
        return
      case 1:
        this.unanswered.add(this.outbox.persist(`key ${number}`, Uint8Array.of(1)))
        this.decided.push(`persist ${number}`)
        return
      case 2:
        this.unanswered.add(this.outbox.command({ kind: 'work', amount: number }))
        this.decided.push(`command ${number}`)
        return
      default:
        this.outbox.emit({ kind: 'saved', count: number })
        this.decided.push(`emit ${number}`)
    }
  }
}

/** The codec of its messages, which notes every message that is sent. */
export function notingCodec(carried: string[]): Codec<ToyMessage> {
  return {
    write: (writer, value) => {
      if (value.kind === 'number') carried.push(`send ${value.value}`)
      toyMessage.write(writer, value)
    },
    read: reader => toyMessage.read(reader)
  }
}
