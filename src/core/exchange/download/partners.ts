/**
 * The sources of one download: when each is asked, opened and dropped, and when to request more providers from the
 * records. fetch.ts has the requests to open sources, sources.ts the list of all known sources.
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { RejectReason } from '../../../wire/exchange.ts'
import type { LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { Now } from '../../machine.ts'
import type { ExchangeContext } from '../context.ts'
import type { Fetch } from './fetch.ts'
import type { HeldLeaves } from '../held-leaves.ts'
import { ANSWER_DEADLINE_MS, PROVIDERS_MAX_MS, PROVIDERS_MIN_MS, SOURCES_ENOUGH, USELESS_MS } from '../settings.ts'
import type { OpenSource } from './source.ts'
import { Sources, type Known } from './sources.ts'

/** The parts of a download that exist once its target is prepared. */
export interface Fetching {
  readonly holding: HeldLeaves
  readonly fetch: Fetch
}

/** The current state of the download. It changes between calls. */
export interface Stage {
  readonly work: Fetching | undefined
  /** Defined while blocks are requested from sources. */
  readonly asking: Fetching | undefined
}

export class Partners {
  private readonly context: ExchangeContext
  private readonly content: ContentId
  private readonly stage: Stage
  private readonly known: Sources
  private providersAt: Instant
  private providersPauseMs = PROVIDERS_MIN_MS

  constructor(options: { context: ExchangeContext; content: ContentId; stage: Stage }, now: Now) {
    this.context = options.context
    this.content = options.content
    this.stage = options.stage
    this.known = new Sources(this.context.random)
    this.providersAt = now.mono
  }

  /** The contacts of open sources. */
  get openContacts(): Contact[] {
    return [...this.known].filter(one => one.standing.kind === 'open').map(one => one.contact)
  }

  /** Adds peers that may hold the content, except banned ones and this node. */
  add(contacts: readonly Contact[], now: Now): void {
    for (const contact of contacts) {
      if (contact.id === this.context.self || this.context.banned(contact.id, this.content, now)) continue
      this.known.add(contact, now)
    }
  }

  /** A peer that could not be dialled has connected by itself. It is asked at once. */
  offered(from: Contact, now: Now): void {
    this.add([from], now)
    const known = this.known.get(from.id)
    if (known?.standing.kind === 'waiting') known.standing = { ...known.standing, retryAt: now.mono }
  }

  /** The link ended, could not be opened, or the peer did not answer. */
  cut(peer: NodeId, now: Now): void {
    const known = this.known.get(peer)
    if (known?.standing.kind === 'asking') this.unreached(known)
    this.lost(peer, { tell: false, keep: true }, now)
  }

  unreached({ contact }: Known): void {
    this.context.emit({ kind: 'unreachable', content: this.content, peer: contact.id })
  }

  /** Selects a peer to ask for the manifest, and marks it as asked. */
  askOne(now: Now): Known | undefined {
    const from = this.known.due(now)
    if (from !== undefined) from.standing = { kind: 'asking', since: now.mono }
    return from
  }

  answered(from: Known, now: Now): void {
    from.standing = { kind: 'waiting', retryAt: now.mono, invited: false }
  }

  failed(from: Known, now: Now): void {
    this.known.failed(from, now)
  }

  forget(from: Known): void {
    this.known.delete(from.contact.id)
  }

  connect(now: Now): void {
    if (this.stage.asking === undefined) return
    while (this.known.activeCount < this.context.settings.degree) {
      const next = this.known.due(now)
      if (next === undefined) return
      next.standing = { kind: 'asking', since: now.mono }
      this.context.send(next.contact, { kind: 'interested', content: this.content })
    }
  }

  /** Every known source. */
  standings(): Iterable<Known> {
    return this.known
  }

  /** The peer announced its pieces; undefined bits mean all. False when the bits do not fit the content. */
  holds(from: Contact, bits: Uint8Array | undefined, now: Now): boolean {
    const work = this.stage.asking
    const known = this.known.get(from.id)
    if (work === undefined || known === undefined) return true
    const pieces = bits === undefined ? undefined : Bitfield.decode(bits, work.holding.layout.pieces)
    if (bits !== undefined && pieces === undefined) return false
    const { standing } = known
    if (standing.kind === 'waiting' && !standing.invited) return true
    if (standing.kind === 'waiting' && this.known.activeCount >= this.context.settings.degree) return true
    const source = standing.kind === 'open' ? standing.source : work.fetch.open(known.contact, now)
    if (standing.kind === 'asking') source.pace.roundTrip(Math.max(1, now.mono - standing.since))
    known.standing = { kind: 'open', source }
    known.hasDropped = false
    work.fetch.picker.holds(source.peerCursor, pieces)
    source.withdrawn = undefined
    work.fetch.fill(source, now)
    return true
  }

  /** The peer holds nothing of this content. */
  notHeld(peer: NodeId, now: Now): void {
    const known = this.known.get(peer)
    if (known?.standing.kind === 'open') known.hasDropped = true
    this.lost(peer, { tell: false, keep: true }, now)
  }

  private open(peer: NodeId): { source: OpenSource; work: Fetching } | undefined {
    const { work } = this.stage
    const standing = this.known.get(peer)?.standing
    return work !== undefined && standing?.kind === 'open' ? { source: standing.source, work } : undefined
  }

  /** False when a range lies outside the content. */
  learn(peer: NodeId, ranges: readonly LeafRange[], now: Now): boolean {
    const open = this.open(peer)
    if (open === undefined) return true
    const { source, work } = open
    const isValid = ranges.every(range => {
      source.withdrawn?.delete(range.piece)
      return work.fetch.picker.learn(source.peerCursor, range)
    })
    work.fetch.fill(source, now)
    return isValid
  }

  /** The peer no longer holds these pieces. */
  gone(peer: NodeId, pieces: readonly PieceIndex[]): void {
    const open = this.open(peer)
    if (open === undefined) return
    const { source, work } = open
    for (const piece of pieces) {
      work.fetch.picker.unlearn(source.peerCursor, piece)
      source.withdrew(piece, work.holding.layout.pieces)
    }
  }

  choke(peer: NodeId, choked: boolean, now: Now): void {
    const open = this.open(peer)
    if (open === undefined) return
    if (choked) open.work.fetch.choked(open.source, now)
    else open.work.fetch.unchoked(open.source, now)
  }

  rejected(peer: NodeId, ids: readonly number[], reason: RejectReason, now: Now): void {
    const open = this.open(peer)
    open?.work.fetch.rejected(open.source, ids, reason, now)
  }

  /** The peer delivered a correct leaf. Resets its failures. */
  gave(peer: NodeId): void {
    const known = this.known.get(peer)
    if (known !== undefined) known.failures = 0
  }

  /**
   * Stops using a source. `tell` sends it `not-interested`. With `keep` it is asked again later; otherwise it is
   * removed.
   */
  lost(peer: NodeId, { tell, keep }: { tell: boolean; keep: boolean }, now: Now): void {
    const known = this.known.get(peer)
    if (known === undefined) return
    const open = this.open(peer)
    if (known.standing.kind !== 'waiting') this.known.failed(known, now)
    if (!keep) this.known.delete(peer)
    if (open === undefined) return
    if (tell) this.context.send(known.contact, { kind: 'not-interested', content: this.content })
    open.work.fetch.close(open.source, tell, now)
    this.providersPauseMs = PROVIDERS_MIN_MS
  }

  judge(now: Now): void {
    const room = this.known.due(now) !== undefined
    for (const known of [...this.known]) {
      const { standing, contact } = known
      if (standing.kind === 'asking') {
        if (now.mono - standing.since >= ANSWER_DEADLINE_MS) this.cut(contact.id, now)
      } else if (standing.kind === 'open' && this.useless(standing.source, room, now)) {
        this.lost(contact.id, { tell: true, keep: true }, now)
      }
    }
  }

  /**
   * Whether to drop a source that delivered nothing for USELESS_MS: when it is snubbed and not the only one (the only
   * one after a longer time), or when all slots are in use and another source is due.
   */
  private useless(source: OpenSource, room: boolean, now: Now): boolean {
    const silentMs = now.mono - source.arrivedAt
    if (silentMs < USELESS_MS) return false
    if (source.snubbed) return this.known.openCount > 1 || silentMs >= USELESS_MS * SOURCES_ENOUGH
    return room && this.known.activeCount >= this.context.settings.degree
  }

  leaveAll(): void {
    for (const known of this.known) {
      if (known.standing.kind === 'waiting') continue
      this.context.send(known.contact, { kind: 'not-interested', content: this.content })
      const open = known.standing.kind === 'open' ? known.standing.source : undefined
      known.standing = { kind: 'waiting', retryAt: 0 as Instant, invited: false }
      if (open !== undefined) this.stage.work?.fetch.leave(open)
    }
  }

  /** Requests providers at the next tick, and resets the pause. */
  wantMoreNow(now: Now): void {
    this.providersPauseMs = PROVIDERS_MIN_MS
    this.providersAt = now.mono
  }

  /** Requests providers when too few sources are open, at most once in each pause. */
  wantProviders(now: Now): void {
    const { asking } = this.stage
    // While no request is open, even many sources are too few: none has a missing leaf.
    const enough = this.known.openCount >= SOURCES_ENOUGH && asking?.fetch.busy === true
    if (now.mono < this.providersAt || enough) return
    this.providersAt = after(now.mono, this.providersPauseMs)
    this.providersPauseMs = Math.min(PROVIDERS_MAX_MS, this.providersPauseMs * 2)
    this.context.emit({ kind: 'wanted-providers', content: this.content })
  }
}
