/** One ring machine, and other nodes that a test speaks for. */
import { nodeId, placeOf, type Key } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { Effect, Now } from '../../../../src/core/machine.ts'
import { Chord, type RingSettings } from '../../../../src/core/ring/chord/chord.ts'
import type { RingEvent } from '../../../../src/core/ring/ring.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import type { RingMessage } from '../../../../src/wire/ring.ts'
import { overlayId } from '../../../../src/base/ids.ts'

export const at = (ms: number): Now => ({ mono: instant(ms), wall: wallMs(0) })
const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))

/** Contacts in the order of their places. */
export function contacts(count: number): Contact[] {
  const random = Random.from('contacts')
  return Array.from({ length: count }, (_, i) => ({
    id: nodeId(random.bytes(32)),
    address: { host: `10.0.0.${i}`, port: 4_000 }
  })).sort((a, b) => (placeOf(a.id) < placeOf(b.id) ? -1 : 1))
}

export class Lone {
  readonly ring: Chord
  readonly sent: Array<{ to: Contact; message: RingMessage }> = []
  readonly events: RingEvent[] = []
  ms = 0

  constructor(self: Contact, settings: Partial<RingSettings> = {}) {
    const machine = {
      self,
      random: Random.from(1),
      signer: notary.signer(self.id),
      verifier: notary,
      restored: new Map()
    }
    this.ring = new Chord(machine, { settings }, at(0))
  }

  /** Calls the machine and keeps what it decided. */
  do<T>(act: (ring: Chord, now: Now) => T): T {
    const result = act(this.ring, at(this.ms))
    for (const effect of this.ring.drain()) this.keep(effect)
    return result
  }

  hear(from: Contact, message: RingMessage): void {
    this.do((ring, now) => {
      ring.receive(from, 'datagram', message, now)
    })
  }

  /** Wakes as often as it asks to, up to then. */
  until(ms: number): void {
    for (let next = this.ring.nextWake(); next !== undefined && next <= ms; next = this.ring.nextWake()) {
      this.ms = Math.max(this.ms, next)
      this.do((ring, now) => {
        ring.wake(now)
      })
    }
    this.ms = ms
  }

  /** The last message of the kind to that node, or to any. */
  last<K extends RingMessage['kind']>(kind: K, to?: Contact): Extract<RingMessage, { kind: K }> | undefined {
    const found = this.sent.findLast(({ message, to: whom }) => message.kind === kind && (to ?? whom).id === whom.id)
    return found?.message as Extract<RingMessage, { kind: K }> | undefined
  }

  private keep(effect: Effect<RingMessage, never, RingEvent>): void {
    if (effect.kind === 'send') this.sent.push({ to: effect.to, message: effect.message })
    else if (effect.kind === 'emit') this.events.push(effect.event)
  }
}

/** A node that `others` have let in, above s members: its list is `others` in order from behind it on. */
export function joined(all: readonly Contact[], self: number): Lone {
  const lone = new Lone(all[self]!)
  lone.do((ring, now) => {
    ring.start(now)
  })
  for (const other of all) {
    lone.do((ring, now) => {
      ring.memberUp(other, now)
    })
  }
  const behind = [...all.slice(self + 1), ...all.slice(0, self)]
  // Whoever is asked says that it is in no ring, but for the one right behind this node.
  for (let i = 0; i < all.length && lone.ring.standing !== 'joined'; i++) {
    const { to, message } = lone.sent.at(-1)!
    if (message.kind !== 'ask') throw new Error(`no ask but ${message.kind}`)
    const { request } = message
    if (to.id !== behind[0]!.id) lone.hear(to, { kind: 'unjoined', request })
    else
      lone.hear(to, {
        kind: 'state',
        request,
        predecessor: undefined,
        successors: behind.slice(1, 9).map(({ id }) => id)
      })
  }
  return lone
}

export const key = (digit: string): Key => digit.repeat(64) as Key
