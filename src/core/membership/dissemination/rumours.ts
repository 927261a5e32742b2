/**
 * Claims that wait to ride on datagrams (SWIM 4.1). Each is sent a limited number of times; what this node says of itself
 * goes first, then dead, suspect, joined; among equals the one sent least often. A newer claim about a member takes the place
 * of what was said before; distinct signers of one suspicion stand beside each other.
 */
import type { NodeId } from '../../../base/ids.ts'
import { encode } from '../../../wire/codec/codec.ts'
import { claim as claimCodec, RUMOURS_PER_DATAGRAM_MAX, type Claim } from '../../../wire/membership.ts'

/** Rumours that wait at once; above it the least urgent, most often sent one is dropped. Push-pull tells it all the same. */
export const RUMOURS_MAX = 4_096
/** Rumours that may prove too long for the rest of a datagram before the search for a shorter one ends. */
const MISFITS_MAX = 8

const URGENCY = { own: 0, leave: 1, dead: 1, suspect: 2, alive: 3 } as const
const CLASSES = 4

interface Rumour {
  readonly claim: Claim
  readonly bytes: number
  readonly urgency: number
  sent: number
}

export class Rumours {
  private readonly own: NodeId
  /** By urgency, then by how often it was sent. */
  private readonly shelves: Array<Array<Set<Rumour>>> = Array.from({ length: CLASSES }, () => [])
  private readonly bySubject = new Map<NodeId, Rumour[]>()
  private count = 0

  constructor(own: NodeId) {
    this.own = own
  }

  get size(): number {
    return this.count
  }

  add(claim: Claim): void {
    const before = this.bySubject.get(claim.subject) ?? []
    const first = before[0]?.claim
    const beside = claim.kind === 'suspect' && first?.kind === 'suspect' && first.incarnation === claim.incarnation
    if (!beside) for (const rumour of before) this.unshelve(rumour)
    const urgency = claim.subject === this.own ? URGENCY.own : URGENCY[claim.kind]
    const rumour = { claim, bytes: encode(claimCodec, claim).length, urgency, sent: 0 }
    this.bySubject.set(claim.subject, beside ? [...before, rumour] : [rumour])
    this.shelve(rumour)
    if (this.count > RUMOURS_MAX) this.dropOne()
  }

  /**
   * What rides on one datagram to `to`: at most `space` bytes. `times` is how often each is sent before it is forgotten. Rumours
   * about the addressee count as sent but stay behind: the caller tells it what it must know, rumour or not.
   */
  take(to: NodeId, options: { space: number; times: number; limit?: number }): Claim[] {
    const taken: Rumour[] = []
    const aboutAddressee: Rumour[] = []
    const limit = options.limit ?? RUMOURS_PER_DATAGRAM_MAX
    let space = options.space
    let misfits = 0
    for (const rumour of this.inOrder()) {
      if (taken.length >= limit || misfits >= MISFITS_MAX) break
      if (rumour.claim.subject === to) aboutAddressee.push(rumour)
      else if (rumour.bytes > space) misfits++
      else {
        taken.push(rumour)
        space -= rumour.bytes
      }
    }
    for (const rumour of [...taken, ...aboutAddressee]) this.age(rumour, options.times)
    return taken.map(rumour => rumour.claim)
  }

  private *inOrder(): Generator<Rumour> {
    for (const shelf of this.shelves) for (const set of shelf) yield* set
  }

  private age(rumour: Rumour, times: number): void {
    this.unshelve(rumour)
    rumour.sent++
    if (rumour.sent < times) this.shelve(rumour)
    else this.forget(rumour)
  }

  private forget(rumour: Rumour): void {
    const rest = this.bySubject.get(rumour.claim.subject)?.filter(one => one !== rumour) ?? []
    if (rest.length === 0) this.bySubject.delete(rumour.claim.subject)
    else this.bySubject.set(rumour.claim.subject, rest)
  }

  private shelve(rumour: Rumour): void {
    const shelf = this.shelves[rumour.urgency] as Array<Set<Rumour>>
    while (shelf.length <= rumour.sent) shelf.push(new Set())
    shelf[rumour.sent]?.add(rumour)
    this.count++
  }

  private unshelve(rumour: Rumour): void {
    if (this.shelves[rumour.urgency]?.[rumour.sent]?.delete(rumour) === true) this.count--
  }

  private dropOne(): void {
    for (let urgency = CLASSES - 1; urgency >= 0; urgency--) {
      const shelf = this.shelves[urgency] ?? []
      for (let sent = shelf.length - 1; sent >= 0; sent--) {
        for (const rumour of shelf[sent] ?? []) {
          this.unshelve(rumour)
          this.forget(rumour)
          return
        }
      }
    }
  }
}
