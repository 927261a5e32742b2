/** The effects of a machine that its driver has not drained yet. Tokens are unique. */
import type { Contact } from '../wire/common.ts'
import type { Channel, Effect } from './machine.ts'

export class Outbox<M, C, E> {
  private effects: Array<Effect<M, C, E>> = []
  private nextToken = 1

  send(to: Contact, channel: Channel, message: M): void {
    this.effects.push({ kind: 'send', to, channel, message })
  }

  /** Returns the token that `done` will carry. */
  persist(key: string, value: Uint8Array | undefined): number {
    const token = this.nextToken++
    this.effects.push({ kind: 'persist', token, key, value })
    return token
  }

  /** Returns the token that `done` will carry. */
  command(command: C): number {
    const token = this.nextToken++
    this.effects.push({ kind: 'command', token, command })
    return token
  }

  emit(event: E): void {
    this.effects.push({ kind: 'emit', event })
  }

  get empty(): boolean {
    return this.effects.length === 0
  }

  drain(): Array<Effect<M, C, E>> {
    const drained = this.effects
    this.effects = []
    return drained
  }
}
