/**
 * Push: who cannot dial a holder asks it to dial. 0.4: "Push descriptors are routed by Servent_Identifier, not by Descriptor_ID", and
 * "may only be sent along the same path that carried the incoming QueryHit descriptor": each node on the way remembers by
 * which neighbour the last hit of the holder came. Without such a way it goes to the holder itself, in a datagram (as
 * gtk-gnutella's do): who takes no connections is a member all the same, and answers those. When that did not help, and it is asked
 * for again, a query for the content finds a way first.
 *
 * What a forged push can do: make the holder dial a member. The requester counts by its id alone; where it is, the membership
 * says. A request to dial somebody names a member, never an address, so nobody is pointed at a third party.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import { TTL_HARD_MAX, type Push } from '../../../wire/gnutella/search.ts'
import type { Contact } from '../../../wire/common.ts'
import { Bucket } from '../graph/bucket.ts'
import type { SearchContext } from '../context.ts'
import { admit, onward } from './header.ts'
import type { Neighbour } from '../graph/neighbour.ts'
import type { SearchNeighbours } from '../graph/neighbours.ts'
import type { Routes } from './routes.ts'
import type { Searches } from '../searches.ts'
import { DIRECT_PUSHES_BURST, DIRECT_PUSHES_PER_SECOND, PUSHES_MAX } from '../settings.ts'

export interface PushParts {
  readonly context: SearchContext
  readonly neighbours: SearchNeighbours
  readonly routes: Routes
  readonly searches: Searches
  readonly now: Instant
}

export class Pushes {
  private readonly context: SearchContext
  private readonly neighbours: SearchNeighbours
  private readonly routes: Routes
  private readonly searches: Searches
  /** What was asked for in a datagram before. */
  private readonly direct = new LruMap<string, true>(PUSHES_MAX)
  /** From all members together. */
  private readonly directIn: Bucket
  /** Those that look for the holder. */
  private readonly looking = new LruMap<string, true>(PUSHES_MAX)

  constructor(parts: PushParts) {
    this.context = parts.context
    this.neighbours = parts.neighbours
    this.routes = parts.routes
    this.searches = parts.searches
    this.directIn = new Bucket({ perSecond: DIRECT_PUSHES_PER_SECOND, burst: DIRECT_PUSHES_BURST }, parts.now)
  }

  request(holder: NodeId, content: ContentId, now: Instant): void {
    if (holder === this.context.self.id || this.send(holder, content, now)) return
    const name = `${holder}/${content}`
    if (!this.direct.has(name) && this.sendDirect(holder, content)) {
      this.direct.set(name, true)
      return
    }
    if (this.looking.has(name) || this.looking.size >= PUSHES_MAX) {
      if (this.looking.size >= PUSHES_MAX) this.context.dropped('full')
      return
    }
    this.looking.set(name, true)
    this.searches.seek(
      content,
      {
        // Whoever answered: then there is a way to the holder, or there is none yet.
        found: (_by, at) => this.send(holder, content, at),
        ended: () => {
          this.looking.delete(name)
        }
      },
      now
    )
  }

  /** In a datagram: nobody asks that way for another, or by another. */
  receiveDirect(from: Contact, { holder, content, requester }: Push, now: Instant): void {
    const { context } = this
    if (holder !== context.self.id || requester.id !== from.id) {
      context.misbehaved(from.id, 'sent a push in a datagram that is not its own')
      return
    }
    if (this.directIn.spend(now)) this.dial(from.id, content)
    else context.dropped('rate')
  }

  private dial(requester: NodeId, content: ContentId): void {
    const to = this.neighbours.memberSet.get(requester)
    if (to === undefined) this.context.dropped('no-route')
    else this.context.outbox.emit({ kind: 'push', content, to })
  }

  receive(from: Neighbour, message: Push, now: Instant): void {
    const { context, routes } = this
    if (!from.meters.pushes.take(now)) {
      context.dropped('rate')
      return
    }
    const push = admit(message)
    if (push === undefined) {
      context.dropped('expired')
      return
    }
    if (routes.pushes.get(push.id, now) !== undefined) {
      context.dropped('duplicate')
      return
    }
    routes.pushes.set(push.id, true, now)
    if (push.holder === context.self.id) {
      this.dial(push.requester.id, push.content)
      return
    }
    const next = this.wayTo(push.holder, now)
    const outgoing = onward(push)
    if (next === undefined || next === from) context.dropped('no-route')
    else if (outgoing === undefined) context.dropped('expired')
    else context.send(next.contact, outgoing)
  }

  /** False when there is no way. */
  private send(holder: NodeId, content: ContentId, now: Instant): boolean {
    const next = this.wayTo(holder, now)
    if (next === undefined) return false
    const { context } = this
    const header = { id: context.newId(), ttl: TTL_HARD_MAX, hops: 0 }
    this.routes.pushes.set(header.id, true, now)
    context.send(next.contact, { kind: 'push', ...header, holder, content, requester: context.self })
    return true
  }

  /** False when it is no member. */
  private sendDirect(holder: NodeId, content: ContentId): boolean {
    const { context } = this
    const to = this.neighbours.memberSet.get(holder)
    if (to === undefined) return false
    const header = { id: context.newId(), ttl: 1, hops: 0 }
    context.sendDatagram(to, { kind: 'push', ...header, holder, content, requester: context.self })
    return true
  }

  private wayTo(holder: NodeId, now: Instant): Neighbour | undefined {
    const by = this.routes.holders.get(holder, now)
    return this.neighbours.get(holder) ?? (by === undefined ? undefined : this.neighbours.get(by))
  }
}
