/** A room is added to a node in one place: a toy room beside all rooms of the table, and toys alone. */
import { describe, expect, it } from 'vitest'
import { nodeId, overlayId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs, type Instant } from '../../../../src/base/time.ts'
import type { Channel, Effect, Machine, MachineContext, Now, Result } from '../../../../src/core/machine.ts'
import type { MembershipEvent } from '../../../../src/core/membership/member.ts'
import { Composite } from '../../../../src/core/node/composite.ts'
import { envelopeOf } from '../../../../src/core/node/envelope.ts'
import type { Room } from '../../../../src/core/node/room.ts'
import { settingsOf } from '../../../../src/core/node/settings.ts'
import { table } from '../../../../src/core/node/table.ts'
import { Outbox } from '../../../../src/core/outbox.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import { decode, encode, union, varint, type Decoded } from '../../../../src/wire/codec/codec.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import { OVERLAY_SETTINGS_DEFAULT } from '../../../../src/wire/ticket.ts'

const at = (ms: number): Now => ({ mono: instant(ms), wall: wallMs(0) })
const random = Random.from('composite')
const [self, other] = ['10.0.0.1', '10.0.0.2'].map((host): Contact => ({
  id: nodeId(random.bytes(32)),
  address: { host, port: 4_000 }
})) as [Contact, Contact]
const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))

const tallyMessage = union({ count: 0 }, { count: { value: varint } })
type TallyMessage = Decoded<typeof tallyMessage>
type TallyEvent = { kind: 'counted'; value: number } | { kind: 'full' }

/** Adds up what it is sent, and keeps the sum on disk. */
class Tally implements Machine<TallyMessage, 'ring-a-bell', TallyEvent> {
  sum: number
  readonly ended: Array<[number, boolean]> = []
  readonly heard: string[] = []
  readonly linked: Array<[string, number]> = []
  private readonly outbox = new Outbox<TallyMessage, 'ring-a-bell', TallyEvent>()

  constructor(context: MachineContext, first: number) {
    this.sum = context.restored.get('sum')?.[0] ?? first
  }

  count(value: number): number {
    this.sum += value
    this.outbox.emit({ kind: 'counted', value })
    return this.outbox.persist('sum', Uint8Array.of(this.sum))
  }

  tell(to: Contact): number {
    this.outbox.send(to, 'datagram', { kind: 'count', value: this.sum })
    return this.outbox.command('ring-a-bell')
  }

  receive(_from: Contact, _via: Channel, { value }: TallyMessage): void {
    this.count(value)
  }

  link(_peer: string, state: 'up' | 'down', _now: Now, epoch: number): void {
    this.linked.push([state, epoch])
  }

  done(token: number, { ok }: Result): void {
    this.ended.push([token, ok])
  }

  wake(): void {
    this.outbox.emit({ kind: 'full' })
  }

  nextWake(): Instant | undefined {
    return this.sum >= 100 ? instant(1_000) : undefined
  }

  drain(): Array<Effect<TallyMessage, 'ring-a-bell', TallyEvent>> {
    return this.outbox.drain()
  }
}

const first = {
  number: 7,
  codec: tallyMessage,
  create: (context, { start }) => new Tally(context, start),
  connect: machine => ({ start: () => machine.heard.push('start') })
} satisfies Room<Tally, object, { start: number }>

/** Counts in twos what its sibling has counted. */
const second = {
  number: 8,
  codec: tallyMessage,
  create: (context, _options) => new Tally(context, 0),
  connect: (machine, { first: sibling }) => ({
    start: () => machine.heard.push(`start beside ${sibling.sum}`),
    hears: {
      first: (event: TallyEvent) => {
        if (event.kind === 'counted' && machine.sum < 10) machine.count(2 * event.value)
      },
      second: (event: TallyEvent) => machine.heard.push(event.kind)
    }
  })
} satisfies Room<Tally, { first: Tally }, object>

const context = (restored = new Map<string, Uint8Array>()): MachineContext => ({
  ...{ self, random: Random.from(1), signer: notary.signer(self.id), verifier: notary, restored }
})
const toys = (restored?: Map<string, Uint8Array>) =>
  new Composite({ first, second }, context(restored), { start: 0 }, at(0))

describe('rooms composed by a table', () => {
  it('start in its order, and know the siblings that they name', () => {
    const node = toys()
    node.start([], at(0))
    expect(node.rooms.first.heard).toEqual(['start'])
    expect(node.rooms.second.heard).toEqual(['start beside 0'])
  })

  it('hear events of their siblings and their own, which the owner hears under their names', () => {
    const node = toys()
    node.call(({ rooms }) => rooms.first.count(3), at(0))
    expect(node.rooms.second.sum).toBe(6)
    expect(node.rooms.second.heard).toEqual(['counted'])
    const events = node.drain().flatMap(effect => (effect.kind === 'emit' ? [effect.event] : []))
    expect(events).toEqual([
      { room: 'first', event: { kind: 'counted', value: 3 } },
      { room: 'second', event: { kind: 'counted', value: 6 } }
    ])
  })

  it('get back the tokens that they gave', () => {
    const node = toys()
    const tokens = node.call(({ rooms }) => [rooms.first.count(1), rooms.second.tell(other)], at(0))
    const outer = node.drain().flatMap(effect => ('token' in effect ? [effect.token] : []))
    expect(new Set(outer).size).toBe(outer.length)
    for (const token of outer) node.done(token, { ok: true }, at(0))
    expect(node.rooms.first.ended).toEqual([[tokens[0], true]])
    expect(node.rooms.second.ended.map(([token]) => token)).toContain(tokens[1])
    expect(node.rooms.second.ended).toHaveLength(2)
  })

  it('keep things under their names, and are restored from what they kept alone', () => {
    const node = toys()
    node.call(({ rooms }) => rooms.first.count(3), at(0))
    const kept = node
      .drain()
      .flatMap(effect => (effect.kind === 'persist' ? [[effect.key, effect.value!] as const] : []))
    expect(kept.map(([key]) => key)).toEqual(['first/sum', 'second/sum'])
    const again = toys(new Map(kept))
    expect([again.rooms.first.sum, again.rooms.second.sum]).toEqual([3, 6])
  })

  it('are woken when they are due, and told of links with their epochs', () => {
    const node = toys()
    node.call(({ rooms }) => rooms.first.count(100), at(0))
    node.drain()
    expect(node.nextWake()).toBe(instant(1_000))
    node.wake(at(500))
    expect(node.drain()).toEqual([])
    node.wake(at(1_000))
    expect(node.drain()).toEqual(
      (['first', 'second'] as const).map(room => ({ kind: 'emit', event: { room, event: { kind: 'full' } } }))
    )
    node.link(other.id, 'up', at(1_000), 4)
    expect(node.rooms.second.linked).toEqual([['up', 4]])
  })

  it('send messages in an envelope of their numbers', () => {
    const codec = envelopeOf({ first, second })
    const node = toys()
    node.call(({ rooms }) => rooms.second.tell(other), at(0))
    const sent = node.drain().flatMap(effect => (effect.kind === 'send' ? [effect.message] : []))
    expect(sent.map(message => [...encode(codec, message)])).toEqual([[8, 0, 0]])
    node.receive(other, 'datagram', decode(codec, Uint8Array.of(8, 0, 5)), at(0))
    expect(node.rooms.second.sum).toBe(5)
  })
})

describe('the table of a node', () => {
  /** Counts the members that it hears of. */
  const toy = {
    number: 99,
    codec: tallyMessage,
    create: (machine, _options) => new Tally(machine, 0),
    connect: (machine, { membership }) => ({
      hears: {
        membership: (event: MembershipEvent) => {
          if (event.kind === 'left-done') machine.count(membership.aliveCount)
        }
      }
    })
  } satisfies Room<Tally, { membership: { aliveCount: number } }, object>

  it('takes one room more by one line', () => {
    const settings = settingsOf(OVERLAY_SETTINGS_DEFAULT, { uploadsMax: 1 })
    const node = new Composite({ ...table, toy }, context(), { name: 'a', settings }, at(0))
    node.start([], at(0))
    node.call(({ rooms }) => {
      rooms.membership.leave(at(0))
    }, at(0))
    expect(node.rooms.toy.sum).toBe(1)
    const events = node.drain().flatMap(effect => (effect.kind === 'emit' ? [effect.event] : []))
    expect(events).toContainEqual({ room: 'membership', event: { kind: 'left-done' } })
    expect(events).toContainEqual({ room: 'toy', event: { kind: 'counted', value: 1 } })
    const message = { kind: 'toy', message: { kind: 'count', value: 5 } } as const
    const codec = envelopeOf({ ...table, toy })
    node.receive(other, 'datagram', decode(codec, encode(codec, message)), at(0))
    expect(node.rooms.toy.sum).toBe(6)
  })

  it('is refused by the compiler when a room takes events of its sibling for others', () => {
    const wrong = {
      ...toy,
      connect: (machine: Tally) => ({
        hears: {
          membership: (event: TallyEvent) => {
            machine.heard.push(event.kind)
          }
        }
      })
    }
    const settings = settingsOf(OVERLAY_SETTINGS_DEFAULT, { uploadsMax: 1 })
    // @ts-expect-error: membership emits no event of a tally.
    const node = new Composite({ ...table, wrong }, context(), { name: 'a', settings }, at(0))
    expect(node.rooms).toHaveProperty('wrong')
  })

  it('is refused by the compiler when a room calls a sibling that is not there', () => {
    // @ts-expect-error: there is no room called first.
    const node = new Composite({ second }, context(), { start: 0 }, at(0))
    expect(node.rooms).toHaveProperty('second')
  })
})
