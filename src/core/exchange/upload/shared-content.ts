/**
 * One content as other peers see it: the interested peers, the leaves and pieces that are announced to them, and the
 * peers that are introduced to each other. New leaves are collected for 50 ms. When their piece is complete by then,
 * the whole piece is announced instead.
 */
import { Bitfield } from '../../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import {
  GONE_PIECES_MAX,
  HAVE_RANGES_MAX,
  PEERS_PER_MESSAGE_MAX,
  type BlockRequest,
  type RejectReason
} from '../../../wire/exchange.ts'
import type { LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { Now } from '../../machine.ts'
import type { ExchangeContext } from '../context.ts'
import { runs, type HeldLeaves } from '../held-leaves.ts'
import { GONE_SENT_MAX, HAVE_BATCH_MS } from '../settings.ts'

export class SharedContent {
  readonly content: ContentId
  private readonly context: ExchangeContext
  private holding: HeldLeaves | undefined
  private readonly interested = new Map<NodeId, Contact>()
  private news: LeafRange[] = []
  private newsAt: Instant | undefined
  private newcomers: Contact[] = []
  /** Leaves that were sent to any peer. Undefined until the first upload. */
  private sentOnce: Bitfield | undefined

  constructor(context: ExchangeContext, content: ContentId) {
    this.context = context
    this.content = content
  }

  get held(): HeldLeaves | undefined {
    return this.holding
  }

  get interests(): ReadonlyMap<NodeId, Contact> {
    return this.interested
  }

  /** Serves these leaves from now on, and announces them to the interested peers. */
  serve(holding: HeldLeaves): void {
    this.holding = holding
    this.news = []
    for (const contact of this.interested.values()) this.sendHoldings(contact)
  }

  /** Stops serving until `serve`, and sends `not-held` to the interested peers. */
  hide(): void {
    this.holding = undefined
    this.news = []
    for (const contact of this.interested.values())
      this.context.send(contact, { kind: 'not-held', content: this.content })
  }

  /** Adds an interested peer and sends it what is held. True when it was not interested before. */
  interest(contact: Contact): boolean {
    const fresh = !this.interested.has(contact.id)
    this.interested.set(contact.id, contact)
    if (this.holding === undefined) this.context.send(contact, { kind: 'not-held', content: this.content })
    else this.sendHoldings(contact)
    return fresh
  }

  loseInterest(peer: NodeId): boolean {
    this.newcomers = this.newcomers.filter(one => one.id !== peer)
    return this.interested.delete(peer)
  }

  private sendHoldings(contact: Contact): void {
    const { content, holding } = this
    if (holding === undefined) return
    if (holding.all) {
      this.context.send(contact, { kind: 'have-all', content })
      return
    }
    this.context.send(contact, { kind: 'have-bits', content, pieces: holding.pieceBits().encode() })
    this.sendHave([contact], [...holding.partialRanges()])
    this.sendGone([contact], firstOf(holding.withdrawn(), GONE_SENT_MAX))
  }

  private sendGone(to: Iterable<Contact>, pieces: readonly PieceIndex[]): void {
    const contacts = [...to]
    for (let i = 0; i < pieces.length; i += GONE_PIECES_MAX) {
      const part = pieces.slice(i, i + GONE_PIECES_MAX)
      for (const contact of contacts) this.context.send(contact, { kind: 'gone', content: this.content, pieces: part })
    }
  }

  private sendHave(to: Iterable<Contact>, ranges: readonly LeafRange[]): void {
    const contacts = [...to]
    for (let i = 0; i < ranges.length; i += HAVE_RANGES_MAX) {
      const part = ranges.slice(i, i + HAVE_RANGES_MAX)
      for (const contact of contacts) this.context.send(contact, { kind: 'have', content: this.content, ranges: part })
    }
  }

  addNews(ranges: readonly LeafRange[], now: Now): void {
    if (this.interested.size === 0) return
    for (const range of ranges) this.news.push(range)
    this.newsAt ??= after(now.mono, HAVE_BATCH_MS)
    if (this.news.length >= HAVE_RANGES_MAX) this.sendNews()
  }

  /** When the collected leaves are to be announced. */
  get nextNews(): Instant | undefined {
    return this.newsAt
  }

  sendNews(): void {
    const { holding, news } = this
    this.news = []
    this.newsAt = undefined
    if (holding === undefined || news.length === 0) return
    this.sendHave(this.interested.values(), gathered(news, holding))
  }

  /** Why a request of this peer cannot be served, or undefined. */
  refusal(peer: NodeId, request: BlockRequest): RejectReason | undefined {
    const { holding } = this
    if (holding === undefined || !this.interested.has(peer)) return 'not-held'
    return holding.layout.holds(request.range) && holding.serves(request.range) ? undefined : 'not-held'
  }

  /** Whether some of these leaves were never sent to any peer. The range must lie in the content. */
  fresh(range: LeafRange): boolean {
    const { holding, sentOnce } = this
    if (holding === undefined || sentOnce?.full === true) return false
    const first = holding.layout.firstLeafOf(range.piece) + range.leafStart
    for (let i = 0; i < range.leafCount; i++) if (sentOnce?.has(first + i) !== true) return true
    return false
  }

  sent(range: LeafRange): void {
    const { holding } = this
    if (holding === undefined || this.sentOnce?.full === true) return
    this.sentOnce ??= new Bitfield(holding.layout.leaves)
    const first = holding.layout.firstLeafOf(range.piece) + range.leafStart
    for (let i = 0; i < range.leafCount; i++) this.sentOnce.add(first + i)
  }

  /** Stops serving the pieces and notifies interested peers. Returns those that were not withdrawn before. */
  withdraw(pieces: Iterable<PieceIndex>): readonly PieceIndex[] {
    const fresh = this.holding?.withdraw(pieces) ?? []
    if (fresh.length > GONE_PIECES_MAX) for (const contact of this.interested.values()) this.sendHoldings(contact)
    else this.sendGone(this.interested.values(), fresh)
    return fresh
  }

  /** Serves the pieces again and notifies interested peers. Returns those that were withdrawn before. */
  restore(pieces: Iterable<PieceIndex>): readonly PieceIndex[] {
    const { holding } = this
    const back = holding?.restore(pieces) ?? []
    if (holding === undefined || back.length === 0) return back
    if (holding.all || back.length > HAVE_RANGES_MAX) {
      for (const contact of this.interested.values()) this.sendHoldings(contact)
    } else {
      const ranges = back.flatMap(piece => {
        const first = holding.layout.firstLeafOf(piece)
        return [...runs(piece, holding.layout.leavesOf(piece), leaf => holding.hasLeaf(first + leaf))]
      })
      this.sendHave(this.interested.values(), ranges)
    }
    return back
  }

  /** Sends a newcomer the contacts of present peers. `sendNewcomers` sends its contact to the others. */
  introduce(newcomer: Contact, present: readonly Contact[]): void {
    const others = present.filter(one => one.id !== newcomer.id)
    this.sendPeers(newcomer, this.context.random.sample(others, PEERS_PER_MESSAGE_MAX))
    if (this.newcomers.length < PEERS_PER_MESSAGE_MAX) this.newcomers.push(newcomer)
  }

  /** Called every second: sends the present peers the contacts of recent newcomers. */
  sendNewcomers(present: readonly Contact[]): void {
    const { newcomers } = this
    if (newcomers.length === 0) return
    this.newcomers = []
    for (const contact of present)
      this.sendPeers(
        contact,
        newcomers.filter(one => one.id !== contact.id)
      )
  }

  private sendPeers(to: Contact, contacts: Contact[]): void {
    if (contacts.length > 0) this.context.send(to, { kind: 'peers', content: this.content, contacts })
  }
}

function firstOf<T>(items: Iterable<T>, countMax: number): T[] {
  const first: T[] = []
  for (const item of items) {
    if (first.length >= countMax) break
    first.push(item)
  }
  return first
}

/** Replaces leaves of complete pieces by the whole piece, once each, and joins adjacent ranges. */
function gathered(news: readonly LeafRange[], holding: HeldLeaves): LeafRange[] {
  const whole = new Set<PieceIndex>()
  const out: LeafRange[] = []
  for (const range of news) {
    const { piece } = range
    const last = out.at(-1)
    if (holding.hasPiece(piece)) {
      if (!whole.has(piece)) out.push({ piece, leafStart: 0, leafCount: holding.layout.leavesOf(piece) })
      whole.add(piece)
    } else if (last?.piece === piece && last.leafStart + last.leafCount === range.leafStart) {
      out[out.length - 1] = { ...last, leafCount: last.leafCount + range.leafCount }
    } else out.push(range)
  }
  return out
}
