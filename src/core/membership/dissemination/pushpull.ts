/** Push-pull over a stream: a digest of all rows, answered with the proofs that the other side lacks and a want of its newer ones. */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { DigestRow, MembershipMessage } from '../../../wire/membership.ts'
import { chunked, difference, type ProvenRow } from './difference.ts'
import type { Sends } from './mail.ts'
import type { MembershipCounts } from '../member.ts'
import { Pace } from '../pace.ts'
import { incarnationOf, proofOf, type Roster } from '../view/roster.ts'

/** A stranger that writes to us is asked for its rows this often at most. */
export const MEET_PAUSE_MS = 5_000
/** A peer's digests, and its long wants, are answered this often at most. */
export const ANSWER_PAUSE_MS = 100
/** A want of up to so many rows is always answered: it is what a waiting accusation asks. */
export const WANT_SHORT = 16

export class PushPull {
  private readonly outbox: Sends
  private readonly roster: Roster
  private readonly ownRow: () => ProvenRow | undefined
  private readonly counts: MembershipCounts
  private readonly meetings = new Pace(MEET_PAUSE_MS)
  private readonly digests = new Pace(ANSWER_PAUSE_MS)
  private readonly wants = new Pace(ANSWER_PAUSE_MS)

  constructor(options: {
    outbox: Sends
    roster: Roster
    ownRow: () => ProvenRow | undefined
    counts: MembershipCounts
  }) {
    this.outbox = options.outbox
    this.roster = options.roster
    this.ownRow = options.ownRow
    this.counts = options.counts
  }

  sendDigest(to: Contact): void {
    this.outbox.send(to, 'stream', { kind: 'digest', rows: [...this.rows().values()].map(({ row }) => row) })
  }

  /** A stranger wrote: both sides get to know each other. */
  meet(stranger: Contact, now: Instant): void {
    if (this.meetings.allows(stranger.id, now)) this.sendDigest(stranger)
  }

  want(from: Contact, ids: NodeId[]): void {
    if (ids.length > 0) this.outbox.send(from, 'stream', { kind: 'want', ids })
  }

  answer(from: Contact, message: Extract<MembershipMessage, { kind: 'digest' | 'want' }>, now: Instant): void {
    if (message.kind === 'digest') {
      if (this.digests.allows(from.id, now)) this.answerDigest(from, message.rows)
      else this.counts.hurried++
    } else if (message.ids.length <= WANT_SHORT || this.wants.allows(from.id, now)) this.handOut(from, message.ids)
    else this.counts.hurried++
  }

  private answerDigest(from: Contact, theirs: readonly DigestRow[]): void {
    const { give, want } = difference(theirs, this.rows())
    for (const claims of chunked(give)) this.outbox.send(from, 'stream', { kind: 'claims', claims })
    this.want(from, want)
  }

  private handOut(to: Contact, ids: readonly NodeId[]): void {
    const rows = this.rows()
    const proofs = [...new Set(ids)].map(id => rows.get(id)?.proof() ?? [])
    for (const claims of chunked(proofs)) this.outbox.send(to, 'stream', { kind: 'claims', claims })
  }

  /** This node's own row first. */
  private rows(): Map<NodeId, ProvenRow> {
    const rows = new Map<NodeId, ProvenRow>()
    const own = this.ownRow()
    if (own !== undefined) rows.set(own.row.id, own)
    for (const row of this.roster.rows()) {
      const { id, standing } = row
      rows.set(id, { row: { id, incarnation: incarnationOf(row), state: standing.state }, proof: () => proofOf(row) })
    }
    return rows
  }
}
