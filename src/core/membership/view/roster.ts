/**
 * The rows of one node's view of the others, each with the signed claims that prove it. A row only climbs: by incarnation,
 * and within one incarnation alive < suspect < dead < left. So views that have seen the same claims are equal, in whatever
 * order they came (SWIM 4.2), and an old claim about a dead member cannot bring it back.
 */
import { assert, expectDefined, unreachable } from '../../../base/assert.ts'
import type { NodeId } from '../../../base/ids.ts'
import { IndexedMap } from '../../../base/indexed-map.ts'
import type { Random } from '../../../base/random.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import {
  MEMBER_STATES,
  MEMBERS_MAX,
  type AliveClaim,
  type Claim,
  type DeadClaim,
  type DigestRow,
  type LeaveClaim,
  type MemberState,
  type SuspectClaim
} from '../../../wire/membership.ts'
import type { RoundTrip, WatchedMembers } from '../detector/detector.ts'
import type { Member } from '../member.ts'
import { CONFIRMATIONS, DEAD_KEPT_MS, deadKept } from '../settings.ts'

export type Standing =
  | { readonly state: 'alive' }
  /** By distinct accusers, the first one first: at most 1 + CONFIRMATIONS, more change nothing. */
  | { readonly state: 'suspect'; readonly accusations: readonly SuspectClaim[] }
  | { readonly state: 'dead'; readonly accusation: DeadClaim }
  | { readonly state: 'left'; readonly leave: LeaveClaim }

export interface Row {
  readonly id: NodeId
  /** The newest that the subject said of itself; only a leave can be newer. */
  alive: AliveClaim
  standing: Standing
  since: Instant
  /** As RFC 6298 smooths it. */
  rtt: RoundTrip | undefined
}

/**
 * What a claim would do to the view: nothing (`stale`), change a row (`news`), add a signer to a suspicion (`confirms`), or
 * accuse of an incarnation that the subject is not known to have signed (`ahead`).
 */
export type Judgement = 'stale' | 'news' | 'confirms' | 'ahead'

export function incarnationOf(row: Row): number {
  return row.standing.state === 'left' ? row.standing.leave.incarnation : row.alive.incarnation
}

export function isLive(state: MemberState): boolean {
  return state === 'alive' || state === 'suspect'
}

/** Whether `a` overrides `b`. */
export function overrides(a: Omit<DigestRow, 'id'>, b: Omit<DigestRow, 'id'>): boolean {
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation
  return MEMBER_STATES.indexOf(a.state) > MEMBER_STATES.indexOf(b.state)
}

export function contactOf(row: Row): Contact {
  return { id: row.id, address: row.alive.address }
}

export function memberOf(row: Row): Member {
  const { name, address } = row.alive
  const state = row.standing.state
  return { id: row.id, name, address, state, incarnation: incarnationOf(row), since: row.since, rttMs: row.rtt?.meanMs }
}

/** All that proves the row: the alive claim, then what was said since. */
export function proofOf(row: Row): Claim[] {
  switch (row.standing.state) {
    case 'alive':
      return [row.alive]
    case 'suspect':
      return [row.alive, ...row.standing.accusations]
    case 'dead':
      return [row.alive, row.standing.accusation]
    case 'left':
      return [row.alive, row.standing.leave]
    default:
      return unreachable(row.standing)
  }
}

/** The roster as a failure detector sees it. */
export function watched(roster: Roster): WatchedMembers {
  return {
    get: id => {
      const row = roster.get(id)
      return row && { id, incarnation: incarnationOf(row), isLive: isLive(row.standing.state), rtt: row.rtt }
    },
    sampleLive: (count, except) => roster.sampleLive(count, except).map(row => row.id)
  }
}

/** RFC 6298: gains of 1/8 for the mean and 1/4 for the variance. */
function smoothed(rtt: RoundTrip | undefined, sampleMs: number): RoundTrip {
  if (rtt === undefined) return { meanMs: sampleMs, varianceMs: sampleMs / 2 }
  const varianceMs = rtt.varianceMs + (Math.abs(rtt.meanMs - sampleMs) - rtt.varianceMs) / 4
  return { meanMs: rtt.meanMs + (sampleMs - rtt.meanMs) / 8, varianceMs }
}

export class Roster {
  private readonly rows_ = new Map<NodeId, Row>()
  /** Alive and suspect members, to draw from. */
  private readonly live = new IndexedMap<NodeId, NodeId>()
  /** Dead and left, the longest gone first. */
  private readonly gone = new Set<NodeId>()
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  get(id: NodeId): Row | undefined {
    return this.rows_.get(id)
  }

  /** A direct ping was answered after so long. */
  measured(id: NodeId, roundTripMs: number): void {
    const row = this.rows_.get(id)
    if (row !== undefined) row.rtt = smoothed(row.rtt, roundTripMs)
  }

  rows(): IterableIterator<Row> {
    return this.rows_.values()
  }

  liveIds(): readonly NodeId[] {
    return this.live.values
  }

  /** What N stands for in every formula: this node, and the others that are alive or suspect. */
  get liveCount(): number {
    return this.live.size + 1
  }

  judge(claim: Claim): Judgement {
    const row = this.rows_.get(claim.subject)
    if (row === undefined) return claim.kind === 'alive' ? 'news' : 'ahead'
    const incarnation = incarnationOf(row)
    if (claim.incarnation < incarnation) return 'stale'
    if (claim.incarnation > incarnation) return claim.kind === 'suspect' || claim.kind === 'dead' ? 'ahead' : 'news'
    const state = claim.kind === 'leave' ? 'left' : claim.kind
    if (overrides({ incarnation, state }, { incarnation, state: row.standing.state })) return 'news'
    return claim.kind === 'suspect' && this.adds(row, claim) ? 'confirms' : 'stale'
  }

  private adds(row: Row, claim: SuspectClaim): boolean {
    if (row.standing.state !== 'suspect' || row.standing.accusations.length > CONFIRMATIONS) return false
    return row.standing.accusations.every(one => one.accuser !== claim.accuser)
  }

  /** Writes down a genuine claim that is `news` or `confirms`. Undefined when the view is full of live members. */
  record(claim: Claim, now: Instant): { row: Row; was: MemberState | undefined } | undefined {
    const row = this.rows_.get(claim.subject)
    if (row === undefined) {
      if (claim.kind !== 'alive' || !this.makeRoom()) return undefined
      const added: Row = { id: claim.subject, alive: claim, standing: { state: 'alive' }, since: now, rtt: undefined }
      this.rows_.set(added.id, added)
      this.addLive(added.id)
      return { row: added, was: undefined }
    }
    const was = row.standing.state
    if (claim.kind === 'alive') row.alive = claim
    row.standing = standingAfter(row.standing, claim)
    const { state } = row.standing
    if (state !== was) row.since = now
    if (isLive(was) && !isLive(state)) this.removeLive(row.id)
    if (!isLive(was) && isLive(state)) this.addLive(row.id)
    return { row, was }
  }

  /** Up to `count` live members, drawn by lot, without those that `skip` names. */
  sampleLive(count: number, skip?: ReadonlySet<NodeId>): Row[] {
    const pool = skip === undefined ? this.live.values : this.live.values.filter(id => !skip.has(id))
    if (pool.length <= count * 4) return this.random.sample(pool, count).map(id => this.known(id))
    const drawn = new Set<NodeId>()
    while (drawn.size < count) drawn.add(expectDefined(this.random.pick(pool), 'the pool is not empty'))
    return [...drawn].map(id => this.known(id))
  }

  /** Up to `count` of the dead, drawn by lot; those that left do not want to be found. */
  sampleDead(count: number): Row[] {
    const dead = [...this.gone].map(id => this.known(id)).filter(row => row.standing.state === 'dead')
    return this.random.sample(dead, count)
  }

  /** Forgets who is gone for longer than a day, and the longest gone above the limit. Returns whom. */
  trim(now: Instant): NodeId[] {
    const forgotten: NodeId[] = []
    for (const id of this.gone) {
      if (this.gone.size <= deadKept(this.liveCount) && now - this.known(id).since < DEAD_KEPT_MS) break
      this.forget(id)
      forgotten.push(id)
    }
    return forgotten
  }

  private makeRoom(): boolean {
    // One row of the limit is this node's own.
    if (this.rows_.size < MEMBERS_MAX - 1) return true
    for (const id of this.gone) {
      this.forget(id)
      return true
    }
    return false
  }

  private forget(id: NodeId): void {
    this.gone.delete(id)
    this.rows_.delete(id)
  }

  private known(id: NodeId): Row {
    return expectDefined(this.rows_.get(id), 'who is listed has a row')
  }

  private addLive(id: NodeId): void {
    this.gone.delete(id)
    this.live.set(id, id)
  }

  private removeLive(id: NodeId): void {
    this.gone.add(id)
    assert(this.live.delete(id), 'a live member is listed')
  }
}

function standingAfter(before: Standing, claim: Claim): Standing {
  switch (claim.kind) {
    case 'alive':
      return { state: 'alive' }
    case 'suspect':
      return { state: 'suspect', accusations: before.state === 'suspect' ? [...before.accusations, claim] : [claim] }
    case 'dead':
      return { state: 'dead', accusation: claim }
    case 'leave':
      return { state: 'left', leave: claim }
    default:
      return unreachable(claim)
  }
}
