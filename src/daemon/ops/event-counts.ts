/** What the rooms told since the start, in numbers: events are counted as they pass, also those of earlier overlays. */
import type { NodeEvent } from '../../core/node/node.ts'
import { ROOM_NAMES } from '../../core/node/table.ts'

export class EventCounts {
  /** Members that this node came to hold suspect or dead, whoever accused them first. */
  suspicions = 0
  deaths = 0
  /** Accusations of this node that it denied. */
  refutations = 0
  readonly lookups = { found: 0, lost: 0 }
  /** Messages from node to node that the found ones took together. */
  lookupHops = 0
  published = 0
  readonly finds = { complete: 0, incomplete: 0 }
  downloadsCompleted = 0
  bans = 0
  /** Pieces that were withdrawn because their file changed. */
  changedPieces = 0
  readonly searches = { limit: 0, exhausted: 0, timeout: 0, cancelled: 0 }
  /** Results of this node's own searches. */
  results = 0
  /** Requests of others to be dialled. */
  pushes = 0
  /** By room. */
  readonly misbehaved: Record<string, number> = Object.fromEntries(ROOM_NAMES.map(name => [name, 0]))

  hear(named: NodeEvent): void {
    if (named.event.kind === 'misbehaved') this.misbehaved[named.room] = (this.misbehaved[named.room] ?? 0) + 1
    switch (named.room) {
      case 'membership':
        this.hearMembership(named.event)
        return
      case 'ring':
        this.hearRing(named.event)
        return
      case 'records':
        this.hearRecords(named.event)
        return
      case 'exchange':
        this.hearExchange(named.event)
        return
      case 'search':
        this.hearSearch(named.event)
    }
  }

  private hearMembership(event: (NodeEvent & { room: 'membership' })['event']): void {
    if (event.kind === 'refuted') this.refutations++
    if (event.kind !== 'member' || event.member.state === event.was) return
    if (event.member.state === 'suspect') this.suspicions++
    if (event.member.state === 'dead') this.deaths++
  }

  private hearRing(event: (NodeEvent & { room: 'ring' })['event']): void {
    if (event.kind === 'lost') this.lookups.lost++
    if (event.kind !== 'found') return
    this.lookups.found++
    this.lookupHops += event.hops
  }

  private hearRecords(event: (NodeEvent & { room: 'records' })['event']): void {
    if (event.kind === 'published') this.published++
    if (event.kind === 'providers') this.finds[event.complete ? 'complete' : 'incomplete']++
  }

  private hearExchange(event: (NodeEvent & { room: 'exchange' })['event']): void {
    if (event.kind === 'complete') this.downloadsCompleted++
    if (event.kind === 'banned') this.bans++
    if (event.kind === 'changed') this.changedPieces++
  }

  private hearSearch(event: (NodeEvent & { room: 'search' })['event']): void {
    if (event.kind === 'ended') this.searches[event.report.ended]++
    if (event.kind === 'hit') this.results += event.hit.results.length
    if (event.kind === 'push') this.pushes++
  }
}
