/**
 * Judges claims and draws the consequences: what is recorded, what is spread on, whose clock runs, when this node defends
 * itself. Only what would change something is verified, and nothing unverified changes anything.
 */
import { expectDefined } from '../../../base/assert.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import { sameAddress } from '../../../wire/common.ts'
import type { AliveClaim, Claim, MemberState } from '../../../wire/membership.ts'
import type { Notary } from './claims.ts'
import type { MembershipCounts, MembershipEvent } from '../member.ts'
import type { Own } from '../own.ts'
import { incarnationOf, isLive, type Roster, type Row } from './roster.ts'
import type { Rumours } from '../dissemination/rumours.ts'
import type { Suspicions } from '../detector/suspicion.ts'
import type { WaitingRoom } from './waiting.ts'

/** Two processes with one key would outbid each other at the speed of gossip: this node bids once in so long. */
export const CLONE_PAUSE_MS = 30_000

/**
 * How claims came: `rumour` on a datagram, `proof` by push-pull. A rumour of a death is news; a proof may be the memory of a
 * partition, so its subject is heard first.
 */
export type Path = 'rumour' | 'proof'

export interface Heard {
  /** Subjects that were accused of an incarnation which they are not known to have signed: ask the sender for the claim. */
  readonly fetch: NodeId[]
  /** The sender accuses this node of an incarnation that it has left behind. */
  outdated: boolean
}

export interface ViewParts {
  readonly id: NodeId
  readonly own: Own
  readonly notary: Notary
  readonly roster: Roster
  readonly rumours: Rumours
  readonly suspicions: Suspicions
  readonly waiting: WaitingRoom
  readonly counts: MembershipCounts
  readonly emit: (event: MembershipEvent) => void
  /** After a row changed in more than its accusers. */
  readonly changed: (row: Row, was: MemberState | undefined, now: Instant) => void
}

export class View {
  private readonly parts: ViewParts
  private left = false
  private quietAboutClones: Instant | undefined

  constructor(parts: ViewParts) {
    this.parts = parts
  }

  /** Stops at the first forged claim: an honest sender has checked each of them. */
  hear(from: NodeId, claims: readonly Claim[], path: Path, now: Instant): Heard {
    const heard: Heard = { fetch: [], outdated: false }
    // Who knows nobody learns what all others know: no need to tell them.
    const spread = path === 'rumour' || this.parts.roster.liveCount > 1
    const fresh = new Set<NodeId>()
    for (const claim of claims) {
      const genuine =
        claim.subject === this.parts.id
          ? this.hearOfOneself(claim, heard, now)
          : this.hearOfOther(claim, { heard, fresh, spread: spread || claim.subject === from, path }, now)
      if (genuine) continue
      this.parts.counts.badSignatures++
      this.parts.emit({ kind: 'misbehaved', peer: from, what: `a forged ${claim.kind} claim` })
      break
    }
    return heard
  }

  /** A probe failed: says so in this node's name, unless it or enough others have. */
  accuse(subject: NodeId, now: Instant): void {
    const row = this.parts.roster.get(subject)
    if (row === undefined || !isLive(row.standing.state)) return
    const claim = this.parts.notary.suspect(subject, incarnationOf(row))
    if (this.parts.roster.judge(claim) !== 'stale') this.record(claim, true, now)
  }

  /** Declares dead whose suspicion nobody refuted in time. */
  expire(now: Instant): void {
    for (const subject of this.parts.suspicions.expire(now)) {
      const row = expectDefined(this.parts.roster.get(subject), 'a suspect has a row')
      this.record(this.parts.notary.dead(subject, incarnationOf(row)), true, now)
    }
  }

  /** Spreads this node's own new claim, when there is one. */
  announce(claim: AliveClaim | undefined): void {
    if (claim !== undefined && !this.left) this.parts.rumours.add(claim)
  }

  /** From here on this node does not defend itself. */
  leave(): void {
    this.left = true
    this.parts.rumours.add(this.parts.own.leave())
  }

  private hearOfOther(
    claim: Claim,
    context: { heard: Heard; fresh: Set<NodeId>; spread: boolean; path: Path },
    now: Instant
  ): boolean {
    const { notary, roster, waiting } = this.parts
    const judgement = roster.judge(claim)
    if (judgement === 'stale' || (judgement === 'confirms' && !this.mayConfirm(claim))) return true
    if (judgement === 'ahead') return this.wait(claim, context.heard, now)
    if (!notary.genuine(claim)) return false
    if (claim.kind === 'dead' && context.path === 'proof' && !context.fresh.has(claim.subject)) {
      this.doubt(claim.subject, now)
      return true
    }
    this.record(claim, context.spread, now)
    if (claim.kind === 'alive') {
      context.fresh.add(claim.subject)
      for (const waited of waiting.release(claim.subject, now)) {
        const then = roster.judge(waited)
        if (then === 'news' || then === 'confirms') this.record(waited, true, now)
      }
    }
    return true
  }

  /** Signatures are cheap to make under new keys: only known live members shorten a suspicion. */
  private mayConfirm(claim: Claim): boolean {
    if (claim.kind !== 'suspect') return false
    const accuser = this.parts.roster.get(claim.accuser)
    return accuser !== undefined && isLive(accuser.standing.state)
  }

  private wait(claim: Claim, heard: Heard, now: Instant): boolean {
    const { notary, waiting, counts } = this.parts
    if (waiting.holds(claim, now)) return true
    if (!notary.genuine(claim)) return false
    const answer = waiting.add(claim, now)
    if (answer === 'fetch') heard.fetch.push(claim.subject)
    if (answer === 'full') counts.unproven++
    return true
  }

  private doubt(subject: NodeId, now: Instant): void {
    this.accuse(subject, now)
    this.parts.suspicions.hasten(subject, this.parts.roster.liveCount, now)
  }

  private record(claim: Claim, spread: boolean, now: Instant): void {
    const { roster, suspicions, rumours, counts, changed } = this.parts
    const before = roster.get(claim.subject)
    const confirms = claim.kind === 'suspect' && before?.standing.state === 'suspect'
    const recorded = roster.record(claim, now)
    if (recorded === undefined) {
      counts.overfull++
      return
    }
    const { row, was } = recorded
    if (row.standing.state === 'suspect') {
      suspicions.set(row.id, row.standing.accusations.length - 1, roster.liveCount, now)
    } else suspicions.end(row.id)
    if (spread) rumours.add(claim)
    if (!confirms) changed(row, was, now)
  }

  private hearOfOneself(claim: Claim, heard: Heard, now: Instant): boolean {
    if (this.left) return true
    if (claim.kind === 'alive' || claim.kind === 'leave') return this.hearOfClone(claim, now)
    const { own, notary, emit } = this.parts
    if (claim.incarnation < own.incarnation) {
      heard.outdated = true
      return true
    }
    if (claim.incarnation > own.incarnation) return this.wait(claim, heard, now)
    if (own.raising) return true
    if (!notary.genuine(claim)) return false
    this.announce(own.raiseAbove(claim.incarnation))
    emit({ kind: 'refuted', incarnation: claim.incarnation + 1, accusation: claim.kind })
    return true
  }

  private hearOfClone(claim: Extract<Claim, { kind: 'alive' | 'leave' }>, now: Instant): boolean {
    const { own, notary, waiting, emit } = this.parts
    const said = expectDefined(own.claim, 'who hears has announced itself')
    if (claim.incarnation < said.incarnation) return true
    const agrees = claim.kind === 'alive' && claim.name === said.name && sameAddress(claim.address, said.address)
    if (claim.incarnation === said.incarnation && agrees) return true
    if (!notary.genuine(claim)) return false
    if (this.quietAboutClones !== undefined && now < this.quietAboutClones) return true
    this.quietAboutClones = after(now, CLONE_PAUSE_MS)
    const address = claim.kind === 'alive' ? claim.address : undefined
    emit({ kind: 'clone', incarnation: claim.incarnation, address })
    // What was said of the other's incarnation is behind us after this.
    waiting.release(claim.subject, now)
    this.announce(own.raiseAbove(claim.incarnation))
    return true
  }
}
