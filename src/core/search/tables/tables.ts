/**
 * Query routing tables (QRP of the 0.6 draft): which words are where, so that a query is not sent where it finds nothing. Each node
 * tells its neighbours the words of its own index, and those of its neighbours' indexes merged into one table: what is one hop
 * further. A query on its last hop is sent only where the neighbour's own table may match, one on its last hop but one only
 * where either does. Before that it is sent to everybody.
 *
 * Why two: with tables of one hop a query for something rare has to visit a set of nodes that has a neighbour in every place, a
 * good part of the shoal. With two, nodes two hops from every place do, which are about five times fewer.
 *
 * A table says "surely not" or "maybe". What is not known yet is "maybe", so that tables under way cost messages, never results. A
 * merged table holds the receiver's own words too: a holder's neighbours may get a copy in vain, and one table serves all.
 *
 * Deviation from 0.6: the table travels whole. The hops of the descriptor's header say how far behind its sender the words are.
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

/** The words of the sender's own index, or of its neighbours' indexes. */
const DISTANCES = [0, 1] as const
type Distance = (typeof DISTANCES)[number]

/** What a table looks like on the wire; never changed, so that it is the same table when it is the same object. */
interface Outgoing {
  readonly bits: number
  readonly patches: readonly Uint8Array[]
}

/** The tables that a neighbour sent, and the ones it was sent. */
interface NeighbourTables {
  readonly tables: [own: QrpTable | undefined, beyond: QrpTable | undefined]
  /** Parts of a table that is coming in, in order. */
  readonly coming: [Uint8Array[], Uint8Array[]]
  readonly sent: [Outgoing | undefined, Outgoing | undefined]
}

export class Tables {
  private readonly context: SearchContext
  private readonly neighbours: SearchNeighbours
  private readonly byNeighbour = new Map<NodeId, NeighbourTables>()
  private own: QrpTable | undefined
  private readonly outgoing: [own: Outgoing | undefined, beyond: Outgoing | undefined] = [undefined, undefined]
  /** Whether a neighbour's own table has changed since they were merged. */
  private merged: 'current' | 'stale' = 'current'
  private sendAt: Instant | undefined

  constructor(context: SearchContext, neighbours: SearchNeighbours) {
    this.context = context
    this.neighbours = neighbours
  }

  /** The own index changed. */
  indexed(table: QrpTable, now: Instant): void {
    this.own = table
    this.outgoing[0] = packed(table, this.outgoing[0])
    this.sendWithin(this.context.settings.tableMs, now)
  }

  linked({ id }: Neighbour, now: Instant): void {
    const none = {
      tables: [undefined, undefined],
      coming: [[], []],
      sent: [undefined, undefined]
    } satisfies NeighbourTables
    this.byNeighbour.set(id, none)
    // Several may come at once.
    this.sendWithin(this.context.settings.tableMs / 4, now)
  }

  unlinked(id: NodeId, now: Instant): void {
    this.byNeighbour.delete(id)
    this.merged = 'stale'
    this.sendWithin(this.context.settings.tableMs, now)
  }

  /** Whether it is worth while to send the neighbour what is wanted, with this TTL. */
  leads({ id }: Neighbour, wanted: Wanted, ttl: number): boolean {
    const { tableHops } = this.context.settings
    if (ttl > tableHops) return true
    const [own, beyond] = this.byNeighbour.get(id)?.tables ?? []
    if (own === undefined || own.mayMatch(wanted)) return true
    return ttl > 1 && (beyond === undefined || beyond.mayMatch(wanted))
  }

  /** Whether the own index may have what is wanted. */
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
      context.misbehaved(from.id, 'sent a table of words from further away than tables go')
      return
    }
    if (context.settings.tableHops <= distance) return
    if (part === 0) theirs.coming[distance] = []
    const coming = theirs.coming[distance]
    if (part !== coming.length) {
      context.misbehaved(from.id, 'sent the parts of a table in disorder')
      return
    }
    coming.push(patch)
    if (coming.length === parts) this.complete(from, distance, bits, now)
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
    const table = QrpTable.fromPatches(bits, theirs?.coming[distance] ?? [])
    if (theirs === undefined) return
    theirs.coming[distance] = []
    if (table === undefined) {
      this.context.misbehaved(from.id, 'sent a table that nobody makes')
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
