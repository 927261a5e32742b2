/**
 * Properties of SWIM under faults: incarnations only grow, in every view and across restarts; views contain only signed
 * claims; no incarnation is signed above the ceiling on disk; after 60 s without faults all live views agree. Liars
 * forge claims of others, and accuse incarnations that do not exist in their own name.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import { encode, tryDecode, varint } from '../../../src/wire/codec/codec.ts'
import type { MembershipEvent } from '../../../src/core/membership/member.ts'
import { CEILING_KEY } from '../../../src/core/membership/own.ts'
import { suspicionBoundsMs, PRESETS } from '../../../src/core/membership/settings.ts'
import type { Membership } from '../../../src/core/membership/membership.ts'
import type { Checker, Violation } from '../../../src/sim/failure.ts'
import { ALL_FAULTS, drawPlan, unleash } from '../../../src/sim/faults.ts'
import { split } from '../../../src/sim/network/network.ts'
import { scenario } from '../../../src/sim/scenario.ts'
import { accusationBody, aliveBody, type Claim, type MembershipMessage } from '../../../src/wire/membership.ts'
import { disagreement, Ledger, membershipWorld, type MembershipNode, type MembershipWorld } from '../membership.ts'

type MembershipChecker = Checker<MembershipWorld, MembershipNode, MembershipEvent>

/** Incarnations grow: those of a member in one view of one process, and a node's own across restarts. */
class GrowingIncarnations implements MembershipChecker {
  private readonly views = new Map<Membership, Map<NodeId, number>>()
  private readonly own = new Map<MembershipNode, { machine: Membership; incarnation: number }>()

  emitted(_world: MembershipWorld, node: MembershipNode, event: MembershipEvent): Violation | undefined {
    if (event.kind !== 'member') return undefined
    const { id, incarnation } = event.member
    let view = this.views.get(node.machine)
    if (view === undefined) this.views.set(node.machine, (view = new Map<NodeId, number>()))
    const before = view.get(id) ?? 0
    view.set(id, incarnation)
    if (incarnation >= before) return undefined
    return {
      property: 'growing-incarnations',
      detail: `${node.name} sees ${event.member.name} go ${before} -> ${incarnation}`
    }
  }

  afterEvent(_world: MembershipWorld, node: MembershipNode): Violation | undefined {
    const { machine } = node
    const incarnation = machine.member(node.id)?.incarnation
    if (incarnation === undefined) return undefined
    const before = this.own.get(node)
    if (before?.machine === machine && before.incarnation === incarnation) return undefined
    this.own.set(node, { machine, incarnation })
    const ceiling = tryDecode(varint, node.disk.contents().get(CEILING_KEY) ?? new Uint8Array(0)) ?? 0
    if (incarnation > ceiling) {
      return {
        property: 'safe-ceiling',
        detail: `${node.name} uses ${incarnation}, but its ceiling on disk is ${ceiling}`
      }
    }
    if (before === undefined || incarnation > before.incarnation) return undefined
    return { property: 'growing-incarnations', detail: `${node.name} itself: ${before.incarnation} -> ${incarnation}` }
  }
}

class SignedRows implements MembershipChecker {
  private readonly ledger: Ledger

  constructor(ledger: Ledger) {
    this.ledger = ledger
  }

  emitted(_world: MembershipWorld, node: MembershipNode, event: MembershipEvent): Violation | undefined {
    if (event.kind !== 'member') return undefined
    const doubt = this.ledger.doubt(event.member)
    if (doubt === undefined) return undefined
    return {
      property: 'signed-rows',
      detail: `${node.name} holds ${event.member.name} ${event.member.state}: ${doubt}`
    }
  }
}

const NODES_MIN = 5
const NODES_MAX = 16
/** One of this many runs has a large group, a shorter time and less loss, because it takes the most CPU time. */
const LARGE_EVERY = 16
const LARGE_NODES_MAX = 64
const LOSS_MAX = 0.3
const LARGE_LOSS_MAX = 0.05
const FAULTS_MS = 24_000
const LARGE_FAULTS_MS = 7_000
const QUIET_MS = 60_000
const LIE_EVERY_MS = 400
const LEAVE_CHANCE = 0.3
const STAYS_DOWN_CHANCE = 0.3

const ledgers = new WeakMap<MembershipWorld, Ledger>()

export const membership = scenario<MembershipMessage, never, MembershipEvent, Membership>({
  name: 'membership',
  about: 'SWIM under loss, partitions, crashes, pauses and liars; one membership after 60 s without faults',
  build: seed => {
    const ledger = new Ledger()
    const world = membershipWorld({
      seed,
      ledger,
      preset: seed % 2 === 0 ? 'lan' : 'local',
      // The timeouts of preset `local` are too short for the default latencies of up to 40 ms.
      network: { loss: 0.01, latencyMaxMs: seed % 2 === 0 ? 40 : 2 },
      checkers: [new GrowingIncarnations(), new SignedRows(ledger)],
      onEvent: (its, node, event) => {
        if (event.kind === 'left-done') its.stop(node)
      }
    })
    ledgers.set(world, ledger)
    return world
  },
  play: world => {
    const { random } = world
    const large = random.below(LARGE_EVERY) === 0
    const most = large ? LARGE_NODES_MAX : NODES_MAX
    const nodes = world.startMany(NODES_MIN + random.below(most - NODES_MIN + 1))
    const lossMax = large ? LARGE_LOSS_MAX : LOSS_MAX
    const forMs = large ? LARGE_FAULTS_MS : FAULTS_MS
    world.network.weather({ loss: random.unit() * lossMax })
    const weights = { ...ALL_FAULTS, 'full-disk': 1 }
    const downMax = Math.ceil(nodes.length / 3)
    unleash(world, drawPlan(random, nodes.length, { forMs, downMax, lossMax, weights }))
    keepLying(world, forMs)
    if (random.chance(LEAVE_CHANCE)) leaveSometime(world, forMs)
    world.run(forMs)
    world.calm({ restart: false })
    for (const node of nodes) if (!random.chance(STAYS_DOWN_CHANCE)) world.start(node)
    const agreed = world.settle(() => disagreement(world) === undefined, { everyMs: 1_000, limitMs: QUIET_MS })
    world.require(agreed, 'one-membership', disagreement(world) ?? '')
  }
})

function leaveSometime(world: MembershipWorld, withinMs: number): void {
  world.at(world.random.range(0, withinMs), () => {
    const node = world.random.pick(world.nodes)
    if (node?.isUp === true) world.call(node, (machine, now) => machine.leave(now))
  })
}

/** At random times, a node receives forged claims from a member. */
function keepLying(world: MembershipWorld, untilMs: number): void {
  const ledger = ledgers.get(world) ?? new Ledger()
  const lie = (): void => {
    if (world.timeMs < untilMs) world.at(world.timeMs + LIE_EVERY_MS, lie)
    const [victim, liar, subject] = world.random.sample(world.nodes, 3)
    if (victim?.isUp !== true || liar === undefined || subject === undefined) return
    const claim = drawLie(world, ledger, liar, subject)
    world.call(victim, (machine, now) =>
      machine.receive(liar.contact, 'datagram', { kind: 'gossip', rumours: [claim] }, now)
    )
  }
  world.at(0, lie)
}

function drawLie(world: MembershipWorld, ledger: Ledger, liar: MembershipNode, subject: MembershipNode): Claim {
  const incarnation = (ledger.highest.get(subject.id) ?? 1) + world.random.below(3)
  const forged = world.random.bytes(64)
  const accusation = { subject: subject.id, incarnation, accuser: liar.id }
  switch (world.random.below(5)) {
    case 0:
      return { kind: 'alive', ...aliveOf(subject, incarnation + 1), signature: forged }
    case 1: {
      // Signed by the wrong node.
      const alive = aliveOf(subject, incarnation + 1)
      const signature = world.notary.signer(liar.id).sign('shoal/alive/1', encode(aliveBody, alive))
      return { kind: 'alive', ...alive, signature }
    }
    case 2:
      return { kind: 'leave', subject: subject.id, incarnation, signature: forged }
    case 3:
      return { kind: 'dead', ...accusation, signature: forged }
    default: {
      // A valid signature, but an incarnation that does not exist.
      const ahead = { ...accusation, incarnation: incarnation + 1 }
      const body = encode(accusationBody, ahead)
      return {
        kind: 'dead',
        ...ahead,
        signature: ledger.keeping(world.notary.signer(liar.id)).sign('shoal/dead/1', body)
      }
    }
  }
}

function aliveOf(subject: MembershipNode, incarnation: number) {
  return { subject: subject.id, incarnation, name: 'a lie', address: subject.address }
}

/** The longest time from a crash until all nodes know: a round of probes, the suspicion timeout, and dissemination. */
export function detectionBoundMs(preset: keyof typeof PRESETS, nodes: number): number {
  const { periodMs, gossipMs } = PRESETS[preset]
  // SWIM 3.1: 1 / (1 - 1/e) periods to the first probe on average; a round is the certain bound of 4.3.
  const firstProbeMs = (nodes + 1) * periodMs * 1.05
  return firstProbeMs + suspicionBoundsMs(nodes, periodMs).maxMs + 2 * Math.ceil(Math.log2(nodes)) * gossipMs + periodMs
}

/** Without loss and faults, only dead members are suspected, and they are declared dead in time. */
export const detection = scenario<MembershipMessage, never, MembershipEvent, Membership>({
  name: 'detection',
  about: 'SWIM on a good network: all nodes declare a killed member dead in time, and suspect no other member',
  build: seed => {
    const killed = new Set<NodeId>()
    const world = membershipWorld({
      seed,
      preset: 'lan',
      contactCount: 1,
      checkers: [
        {
          ended: (_world, node) => void killed.add(node.id),
          emitted: (_world, node, event) => {
            if (event.kind !== 'member' || event.member.state === 'alive' || killed.has(event.member.id))
              return undefined
            return { property: 'accuracy', detail: `${node.name} holds ${event.member.name} ${event.member.state}` }
          }
        }
      ]
    })
    return world
  },
  play: world => {
    const nodes = world.startMany(5 + world.random.below(12))
    const joined = world.settle(() => disagreement(world) === undefined, { everyMs: 100, limitMs: 30_000 })
    world.require(joined, 'joining', disagreement(world) ?? '')
    world.run(world.random.range(0, 5_000))
    const victim = world.random.pick(nodes)
    if (victim !== undefined) world.crash(victim, { host: world.random.chance(0.5) })
    const limitMs = detectionBoundMs('lan', nodes.length)
    const known = world.settle(() => disagreement(world) === undefined, { everyMs: 100, limitMs })
    world.require(known, 'completeness', disagreement(world) ?? '')
  }
})

/** A partition that lasts until each side has declared the other dead. */
export const healing = scenario<MembershipMessage, never, MembershipEvent, Membership>({
  name: 'healing',
  about: 'SWIM after a long partition: each side declares the other dead, and they agree within 60 s of its end',
  build: seed => {
    const ledger = new Ledger()
    const checkers = [new GrowingIncarnations(), new SignedRows(ledger)]
    return membershipWorld({ seed, ledger, preset: seed % 2 === 0 ? 'lan' : 'local', checkers })
  },
  play: world => {
    const nodes = world.startMany(4 + world.random.below(9))
    const joined = world.settle(() => disagreement(world) === undefined, { everyMs: 100, limitMs: 30_000 })
    world.require(joined, 'joining', disagreement(world) ?? '')
    // Waits for the first push-pulls, which may still use the contacts.
    world.run(10_000)
    const indices = world.random.shuffle(nodes.map(({ index }) => index))
    const left = indices.splice(0, 1 + world.random.below(nodes.length - 1))
    const partition = world.network.partition(split(left, indices))
    const buried = world.settle(() => left.every(at => holdsDead(world, at, indices)), {
      everyMs: 1_000,
      limitMs: 120_000
    })
    world.require(buried, 'completeness', 'a side does not hold the other dead after 120 s')
    // Waits until no dial, link or probe from before is left.
    world.run(20_000)
    partition.end()
    const healed = world.settle(() => disagreement(world) === undefined, { everyMs: 1_000, limitMs: QUIET_MS })
    world.require(healed, 'one-membership', disagreement(world) ?? '')
  }
})

function holdsDead(world: MembershipWorld, observer: number, others: readonly number[]): boolean {
  const seen = (at: number, other: number) => world.node(at).machine.member(world.node(other).id)?.state
  return others.every(other => seen(observer, other) === 'dead' && seen(other, observer) === 'dead')
}
