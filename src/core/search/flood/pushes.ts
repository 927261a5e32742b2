/**
 * Push: a node that cannot dial a holder asks the holder to dial it. 0.4: "Push descriptors are routed by
 * Servent_Identifier, not by Descriptor_ID", and "may only be sent along the same path that carried the incoming
 * QueryHit descriptor": each node on the path remembers the neighbour that sent the last hit of the holder. Without
 * such a path, the push goes to the holder in a datagram (as in gtk-gnutella): a node that accepts no connections is
 * still a member and receives datagrams. When the push is requested again, a query for the content finds a path first.
 *
 * A forged push can only make the holder dial a member. The holder uses the requester's id, and takes the address from
 * the membership, so a push cannot point a holder at a third party.
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
  /** Pushes that were sent in a datagram before. */
  private readonly direct = new LruMap<string, true>(PUSHES_MAX)
  /** The rate of datagrams from all members together. */
  private readonly directIn: Bucket
  /** Pushes for which a query looks for a path. */
  private readonly searching = new LruMap<string, true>(PUSHES_MAX)

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
    if (this.searching.has(name) || this.searching.size >= PUSHES_MAX) {
      if (this.searching.size >= PUSHES_MAX) this.context.dropped('full')
      return
    }
    this.searching.set(name, true)
    this.searches.seek(
      content,
      {
        // After a hit of any holder there may be a path to this one.
        found: (_by, at) => this.send(holder, content, at),
        ended: () => {
          this.searching.delete(name)
        }
      },
      now
    )
  }

  /** A push in a datagram is valid only from the requester itself, to the holder itself. */
  receiveDirect(from: Contact, { holder, content, requester }: Push, now: Instant): void {
    const { context } = this
    if (holder !== context.self.id || requester.id !== from.id) {
      context.misbehaved(from.id, 'sent a push in a datagram for another requester or holder')
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
    const next = this.nextHopTo(push.holder, now)
    const outgoing = onward(push)
    if (next === undefined || next === from) context.dropped('no-route')
    else if (outgoing === undefined) context.dropped('expired')
    else context.send(next.contact, outgoing)
  }

  /** Sends a push along the path to the holder. False when there is none. */
  private send(holder: NodeId, content: ContentId, now: Instant): boolean {
    const next = this.nextHopTo(holder, now)
    if (next === undefined) return false
    const { context } = this
    const header = { id: context.newId(), ttl: TTL_HARD_MAX, hops: 0 }
    this.routes.pushes.set(header.id, true, now)
    context.send(next.contact, { kind: 'push', ...header, holder, content, requester: context.self })
    return true
  }

  /** Sends a push in a datagram. False when the holder is not a member. */
  private sendDirect(holder: NodeId, content: ContentId): boolean {
    const { context } = this
    const to = this.neighbours.memberSet.get(holder)
    if (to === undefined) return false
    const header = { id: context.newId(), ttl: 1, hops: 0 }
    context.sendDatagram(to, { kind: 'push', ...header, holder, content, requester: context.self })
    return true
  }

  private nextHopTo(holder: NodeId, now: Instant): Neighbour | undefined {
    const by = this.routes.holders.get(holder, now)
    return this.neighbours.get(holder) ?? (by === undefined ? undefined : this.neighbours.get(by))
  }
}
