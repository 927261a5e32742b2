/**
 * Query routing tables (QRP of the 0.6 draft): they have the words of other nodes, so that a query is not sent where it
 * finds nothing. Each node sends its neighbours two tables: the words of its own index, and the words of its
 * neighbours' indexes, merged. A query on its last hop is sent only to neighbours whose own table may match. A query on
 * the hop before is sent only to neighbours of which either table may match. Earlier, it is sent to all neighbours.
 *
 * Two tables, because with one a rare query has to visit nodes that together are neighbours of every node, a large part
 * of the overlay. With two, it has to visit nodes that are within two hops of every node, about five times fewer.
 *
 * A table excludes a match or allows it. An unknown table allows it, so that a missing table costs messages and never
 * results. A merged table includes the words of its receiver: one table serves all neighbours, at the cost of some
 * copies to neighbours of a holder that find nothing else.
 *
 * Deviation from 0.6: tables are sent whole, not as differences. The hops in the header of the descriptor give the
 * distance of the words from the sender.
 */
import { equal } from '../../../base/bytes.ts'
import type { NodeId } from '../../../base/ids.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import { partsOf, QrpTable } from '../../../wire/gnutella/qrp.ts'
import type { RouteTable } from '../../../wire/gnutella/search.ts'
import type { SearchContext } from '../context.ts'
import type { Neighbour } from '../graph/neighbour.ts'
import type { SearchNeighbours } from '../graph/neighbours.ts'
import type { Wanted } from '../graph/wanted.ts'

/** Distance of the words from the sender: 0 for its own index, 1 for the indexes of its neighbours. */
const DISTANCES = [0, 1] as const
type Distance = (typeof DISTANCES)[number]

/** A table in wire format. Immutable: two tables are equal exactly when they are the same object. */
interface Outgoing {
  readonly bits: number
  readonly patches: readonly Uint8Array[]
}

/** The tables that a neighbour sent, and the ones it was sent. */
interface NeighbourTables {
  readonly tables: [own: QrpTable | undefined, beyond: QrpTable | undefined]
  /** Received parts of an incomplete table, in order. */
  readonly received: [Uint8Array[], Uint8Array[]]
  readonly sent: [Outgoing | undefined, Outgoing | undefined]
}

export class Tables {
  private readonly context: SearchContext
  private readonly neighbours: SearchNeighbours
  private readonly byNeighbour = new Map<NodeId, NeighbourTables>()
  private own: QrpTable | undefined
  private readonly outgoing: [own: Outgoing | undefined, beyond: Outgoing | undefined] = [undefined, undefined]
  /** `stale` when the own table of a neighbour changed since the last merge. */
  private merged: 'current' | 'stale' = 'current'
  private sendAt: Instant | undefined

  constructor(context: SearchContext, neighbours: SearchNeighbours) {
    this.context = context
    this.neighbours = neighbours
  }

  /** The node's own index changed. */
  indexed(table: QrpTable, now: Instant): void {
    this.own = table
    this.outgoing[0] = packed(table, this.outgoing[0])
    this.sendWithin(this.context.settings.tableMs, now)
  }

  linked({ id }: Neighbour, now: Instant): void {
    const none = {
      tables: [undefined, undefined],
      received: [[], []],
      sent: [undefined, undefined]
    } satisfies NeighbourTables
    this.byNeighbour.set(id, none)
    // Several neighbours may be added at once.
    this.sendWithin(this.context.settings.tableMs / 4, now)
  }

  unlinked(id: NodeId, now: Instant): void {
    this.byNeighbour.delete(id)
    this.merged = 'stale'
    this.sendWithin(this.context.settings.tableMs, now)
  }

  /** Whether the tables allow a match for `wanted` when the neighbour is asked with this TTL. */
  leads({ id }: Neighbour, wanted: Wanted, ttl: number): boolean {
    const { tableHops } = this.context.settings
    if (ttl > tableHops) return true
    const [own, beyond] = this.byNeighbour.get(id)?.tables ?? []
    if (own === undefined || own.mayMatch(wanted)) return true
    return ttl > 1 && (beyond === undefined || beyond.mayMatch(wanted))
  }

  /** Whether the node's own table allows a match. */
  mayHave(wanted: Wanted): boolean {
    if (this.context.settings.tableHops === 0 || this.own === undefined) return true
    return this.own.mayMatch(wanted)
  }

  receive(from: Neighbour, { ttl, hops, bits, part, parts, patch }: RouteTable, now: Instant): void {
    const { context } = this
    if (!from.meters.tableParts.take(now)) {
      context.dropped('rate')
      return
    }
    const theirs = this.byNeighbour.get(from.id)
    const distance = DISTANCES.find(one => one === hops)
    if (theirs === undefined || ttl !== 1 || distance === undefined || parts !== partsOf(bits)) {
      context.misbehaved(from.id, 'sent a table of words with an invalid header')
      return
    }
    if (context.settings.tableHops <= distance) return
    if (part === 0) theirs.received[distance] = []
    const received = theirs.received[distance]
    if (part !== received.length) {
      context.misbehaved(from.id, 'sent the parts of a table out of order')
      return
    }
    received.push(patch)
    if (received.length === parts) this.complete(from, distance, bits, now)
  }

  wake(now: Instant): void {
    if (this.sendAt === undefined || this.sendAt > now) return
    this.sendAt = undefined
    if (this.context.settings.tableHops === 0) return
    this.merge()
    for (const neighbour of this.neighbours) this.send(neighbour)
  }

  nextWake(): Instant | undefined {
    return this.sendAt
  }

  private complete(from: Neighbour, distance: Distance, bits: number, now: Instant): void {
    const theirs = this.byNeighbour.get(from.id)
    const table = QrpTable.fromPatches(bits, theirs?.received[distance] ?? [])
    if (theirs === undefined) return
    theirs.received[distance] = []
    if (table === undefined) {
      this.context.misbehaved(from.id, 'sent a malformed table')
      return
    }
    theirs.tables[distance] = table
    if (distance === 0) {
      this.merged = 'stale'
      this.sendWithin(this.context.settings.tableMs, now)
    }
  }

  private sendWithin(ms: number, now: Instant): void {
    this.sendAt = earliest(this.sendAt, after(now, this.context.random.jitter(ms)))
  }

  private merge(): void {
    if (this.merged === 'current' || this.context.settings.tableHops < 2) return
    this.merged = 'current'
    const known = [...this.byNeighbour.values()].flatMap(({ tables: [own] }) => own ?? [])
    this.outgoing[1] = packed(QrpTable.merge(known), this.outgoing[1])
  }

  private send({ id, contact }: Neighbour): void {
    const theirs = this.byNeighbour.get(id)
    for (const distance of DISTANCES) {
      const outgoing = this.outgoing[distance]
      if (theirs === undefined || outgoing === undefined || theirs.sent[distance] === outgoing) continue
      theirs.sent[distance] = outgoing
      const { bits, patches } = outgoing
      const header = { id: this.context.newId(), ttl: 1, hops: distance }
      for (const [part, patch] of patches.entries())
        this.context.send(contact, { kind: 'route-table', ...header, bits, part, parts: patches.length, patch })
    }
  }
}

/** Returns `before` when the table is unchanged, so that it is not sent again. */
function packed(table: QrpTable, before: Outgoing | undefined): Outgoing {
  const { bits } = table
  const patches = table.patches()
  const isSame =
    before?.bits === bits && patches.every((patch, i) => equal(patch, before.patches[i] ?? new Uint8Array(0)))
  return isSame ? before : { bits, patches }
}
