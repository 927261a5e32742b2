/** A ring of one behind the interface of a ring: the records need nothing else of it. */
import { describe, expect, it } from 'vitest'
import { keyOf, nodeId, overlayId, placeOf, type Key } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { Effect, MachineContext, Now } from '../../../../src/core/machine.ts'
import { Composite } from '../../../../src/core/node/composite.ts'
import type { NodeRoom } from '../../../../src/core/node/room.ts'
import { membership } from '../../../../src/core/node/rooms/membership.ts'
import { records } from '../../../../src/core/node/rooms/records.ts'
import { settingsOf } from '../../../../src/core/node/settings.ts'
import { Outbox } from '../../../../src/core/outbox.ts'
import type { Ranges, Ring, RingEvent, RingView } from '../../../../src/core/ring/ring.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { ringMessage, type RingMessage } from '../../../../src/wire/ring.ts'
import { OVERLAY_SETTINGS_DEFAULT } from '../../../../src/wire/ticket.ts'

class RingOfOne implements Ring {
  readonly joined = true
  private readonly self: Contact
  private readonly outbox = new Outbox<RingMessage, never, RingEvent>()
  private lookups = 0

  constructor({ self }: MachineContext) {
    this.self = self
  }

  owns(): boolean {
    return true
  }

  owner(): Contact {
    return this.self
  }

  nextHop(): undefined {
    return undefined
  }

  replicas(): readonly Contact[] {
    return [this.self]
  }

  /** Two halves: an owner may have different replicas for different keys. */
  ranges(): Ranges {
    const [from, to] = [placeOf(this.self.id), keyOf(new Uint8Array(32))]
    const whole = { from, to: from }
    const halves = [
      { from, to },
      { from: to, to: from }
    ]
    return { owned: halves.map(half => ({ ...half, replicas: [this.self] })), replicated: whole, accepted: whole }
  }

  view(): RingView {
    const none: readonly Contact[] = []
    return {
      self: this.self,
      place: placeOf(this.self.id),
      joined: true,
      predecessors: none,
      successors: none,
      routes: none
    }
  }

  start(): void {
    this.outbox.emit({ kind: 'joined' })
    this.outbox.emit({ kind: 'ranges', ranges: this.ranges() })
  }

  lookup(key: Key): number {
    const request = ++this.lookups
    const [range] = this.ranges().owned
    const location = { owner: this.self, range: range!, replicas: [this.self], missing: 0 }
    this.outbox.emit({ kind: 'found', request, key, path: [this.self], hops: 0, ...location })
    return request
  }

  memberUp(): void {
    return
  }

  memberDown(): void {
    return
  }

  rejoin(): void {
    return
  }

  receive(): void {
    return
  }

  link(): void {
    return
  }

  done(): void {
    return
  }

  wake(): void {
    return
  }

  nextWake(): undefined {
    return undefined
  }

  drain(): Array<Effect<RingMessage, never, RingEvent>> {
    return this.outbox.drain()
  }
}

const ring = {
  number: 2,
  codec: ringMessage,
  settings: () => undefined,
  create: (context, _options): Ring => new RingOfOne(context),
  connect: machine => ({ start: (_contacts, now) => machine.start(now) })
} satisfies NodeRoom<Ring, object, object>

const at = (ms: number): Now => ({ mono: instant(ms), wall: wallMs(0) })
const self = { id: nodeId(Random.from('one').bytes(32)), address: { host: '10.0.0.1', port: 4_000 } }
const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))

describe('a ring of one', () => {
  it('lets the records keep and find what they are given', () => {
    const settings = settingsOf(OVERLAY_SETTINGS_DEFAULT, { uploadsMax: 1 })
    const context = {
      self,
      random: Random.from(1),
      signer: notary.signer(self.id),
      verifier: notary,
      restored: new Map()
    }
    const node = new Composite({ membership, ring, records }, context, { name: 'one', settings }, at(0))
    const heard: unknown[] = []
    const run = (ms: number): void => {
      for (let next = node.nextWake(); next !== undefined && next <= ms; next = node.nextWake()) {
        node.wake(at(next))
        carryOut(next)
      }
    }
    const carryOut = (ms: number): void => {
      for (let effects = node.drain(); effects.length > 0; effects = node.drain()) {
        for (const effect of effects) {
          if (effect.kind === 'persist') node.done(effect.token, { ok: true }, at(ms))
          if (effect.kind === 'emit' && effect.event.room === 'records') heard.push(effect.event.event)
        }
      }
    }
    node.start([], at(0))
    const key = keyOf(new Uint8Array(32).fill(7))
    node.call(({ rooms }) => {
      rooms.records.publish(key, 'all', at(0))
    }, at(0))
    carryOut(0)
    run(2_000)
    expect(heard).toContainEqual(expect.objectContaining({ kind: 'published', key, acks: 1, of: 1 }))
    node.call(({ rooms }) => rooms.records.find(key, at(2_000)), at(2_000))
    carryOut(2_000)
    const providers = [{ provider: self.id, held: 'all' }]
    expect(heard).toContainEqual(expect.objectContaining({ kind: 'providers', key, providers, complete: true }))
  })
})
