/**
 * The exchange decides which block to request from which peer, and which peers to serve (BEP 3 and BEP 52, with ranges
 * of leaves in place of blocks). It is a synchronous machine: bytes of files never pass through it (see contract.ts).
 *
 * Participants: this node as a downloader and as an uploader.
 *   download/download.ts                  the states of one download
 *   download/partners.ts, sources.ts      which peers it uses
 *   download/fetch.ts, picker/picker.ts   which leaves it requests from each
 *   download/readers.ts, read-ahead.ts    the leaves that a reader waits for
 *   upload/shared-content.ts              what interested peers are sent about a content
 *   upload/uploads.ts, choker.ts          in which order peers are served
 *
 * Non-goals: finding providers (the owner passes `wanted-providers` to the records), checking and writing leaves (io,
 * by the command `expect`), tit-for-tat (it would be another choker).
 *
 * Deviations: bans last an hour and are in memory only (bans.ts). Requests beyond the queue of a peer are refused as
 * `busy` instead of being read later. Of super-seeding (BEP 16) only the order is kept: unsent leaves go first.
 */
import type { Bitfield } from '../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import { after, earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { BanReason, ExchangeMessage } from '../../wire/exchange.ts'
import type { Layout, LeafRange, PieceIndex } from '../../wire/bittorrent/layout.ts'
import type { Channel, Effect, Machine, Now, Result, MachineContext } from '../machine.ts'
import { Outbox } from '../outbox.ts'
import { unreachable } from '../../base/assert.ts'
import { Bans, type Ban } from './download/bans.ts'
import type { ExchangeCommand, ExchangeEvent, Progress, RequestId, Shortage } from './contract.ts'
import type { ExchangeContext, Then } from './context.ts'
import { Download } from './download/download.ts'
import { HeldLeaves } from './held-leaves.ts'
import type { ReaderId } from './download/readers.ts'
import {
  CONTENTS_MAX,
  INTERESTS_PER_PEER_MAX,
  PEER_EXCHANGE_MS,
  PEERS_MAX,
  TICK_MS,
  type ExchangeSettings
} from './settings.ts'
import { SharedContent } from './upload/shared-content.ts'
import { decodeSynced, syncedKey } from './download/synced.ts'
import { Uploads } from './upload/uploads.ts'

interface Entry {
  readonly share: SharedContent
  /** Undefined for a content that was complete from the start. */
  download: Download | undefined
  /** False: the content is announced as not held. */
  offered: boolean
}

export interface ContentState {
  readonly content: ContentId
  readonly role: 'seed' | 'download'
  readonly progress: Progress | undefined
}

/** Current numbers of peers and bytes. */
export interface ExchangeCounts {
  /** Peers that are interested in a content of this node. */
  peersInterested: number
  /** Peers that have unchoked this node. */
  peersServing: number
  /** Bytes that are requested and not yet written. */
  inFlightBytes: number
}

export class Exchange implements Machine<ExchangeMessage, ExchangeCommand, ExchangeEvent> {
  private readonly outbox = new Outbox<ExchangeMessage, ExchangeCommand, ExchangeEvent>()
  /** What to call with the result of each persist and command, by token. */
  private readonly awaited = new Map<number, Then>()
  private readonly entries = new Map<ContentId, Entry>()
  /** Downloads that are not complete, contents with leaves to announce, and entries with newcomers to introduce. */
  private readonly downloads = new Set<Download>()
  private readonly telling = new Set<SharedContent>()
  private readonly introducing = new Set<Entry>()
  /** The contents that a peer is interested in. */
  private readonly interests = new Map<NodeId, Set<ContentId>>()
  private readonly synced = new Map<string, Uint8Array>()
  private readonly bans = new Bans()
  private readonly uploads: Uploads
  private readonly context: ExchangeContext
  private lastRequest = 0
  private tickAt: Instant | undefined
  private introduceAt: Instant

  constructor(machine: MachineContext, options: { settings: ExchangeSettings }, now: Now) {
    this.introduceAt = now.mono
    for (const [key, value] of machine.restored) this.synced.set(key, value)
    this.context = this.makeContext(machine, options.settings)
    this.uploads = new Uploads(this.context, {
      unreadable: (content, piece, reason) => {
        const entry = this.entries.get(content)
        const isFetching = entry?.download !== undefined && !entry.download.complete
        // When the disk fails during a download, the download pauses: no piece is withdrawn.
        if (entry === undefined || (reason === 'disk' && isFetching)) return
        const isFresh = this.offering(content, share => share.withdraw([piece]).length > 0)
        if (isFresh === true) this.outbox.emit({ kind: 'changed', content, piece })
      },
      fresh: (content, range) => this.entries.get(content)?.share.fresh(range) === true,
      sent: (content, range) => this.entries.get(content)?.share.sent(range)
    })
  }

  private makeContext(machine: MachineContext, settings: ExchangeSettings): ExchangeContext {
    return {
      self: machine.self.id,
      random: machine.random,
      settings,
      inFlightBytes: 0,
      send: (to, message) => this.outbox.send(to, 'stream', message),
      command: (command, then) => this.awaited.set(this.outbox.command(command), then),
      persist: (key, value, then) => this.awaited.set(this.outbox.persist(key, value), then),
      emit: event => this.emit(event),
      nextRequest: () => {
        this.lastRequest = (this.lastRequest + 1) >>> 0
        return this.lastRequest as RequestId
      },
      banned: (peer, content, now) => this.bans.has(peer, content, now.mono),
      ban: (peer, content, reason, now) => this.ban(peer, content, reason, now)
    }
  }

  /** Serves a content that this node holds completely. */
  seed(content: ContentId, layout: Layout, _now: Now): void {
    const entry = this.entry(content)
    if (entry === undefined) return
    if (entry.download !== undefined && !entry.download.complete) this.drop(entry.download)
    entry.download = undefined
    entry.share.serve(new HeldLeaves(layout, undefined))
  }

  /** Whether this node announces what it holds of the content. The setting is deleted with `remove`. */
  setOffered(content: ContentId, offered: boolean): void {
    const entry = offered ? this.entries.get(content) : this.entry(content)
    if (entry !== undefined) entry.offered = offered
  }

  /** Starts a download, or continues the one of an earlier run. No effect when the content is held or being fetched. */
  get(content: ContentId, now: Now): void {
    const entry = this.entry(content)
    if (entry === undefined || entry.share.held !== undefined || entry.download !== undefined) return
    const record = this.synced.get(syncedKey(content))
    const synced = () => (record === undefined ? undefined : decodeSynced(record))
    const owner = {
      prepared: (holding: HeldLeaves) => entry.share.serve(holding),
      unprepared: () => {
        entry.share.hide()
        this.uploads.forget(undefined, content)
      },
      news: (ranges: readonly LeafRange[], at: Now) => {
        entry.share.addNews(ranges, at)
        this.telling.add(entry.share)
      }
    }
    entry.download = new Download({ context: this.context, owner, content, synced }, now)
    this.downloads.add(entry.download)
    entry.download.sources([...entry.share.interests.values()], now)
    entry.download.tick(now)
    this.tickSoon(now)
  }

  private drop(download: Download): void {
    download.remove()
    this.downloads.delete(download)
  }

  pause(content: ContentId, now: Now): void {
    this.entries.get(content)?.download?.pause(now)
  }

  resume(content: ContentId, now: Now): void {
    this.entries.get(content)?.download?.resume(now)
    this.tickSoon(now)
  }

  /** Stops serving and fetching the content and deletes its state. Does not touch the files on disk. */
  remove(content: ContentId, now: Now): void {
    const entry = this.entries.get(content)
    if (entry === undefined) return
    if (entry.download !== undefined) this.drop(entry.download)
    this.telling.delete(entry.share)
    this.introducing.delete(entry)
    this.synced.delete(syncedKey(content))
    this.entries.delete(content)
    this.uploads.forget(undefined, content)
    for (const contact of entry.share.interests.values()) {
      this.outbox.send(contact, 'stream', { kind: 'not-held', content })
      this.loseInterest(contact.id, content, now)
    }
    this.outbox.emit({ kind: 'announce', content, held: 'none' })
  }

  /**
   * Neither offers nor serves these pieces until `restore`, because they cannot be read. Their leaves stay held. The
   * pieces must lie in the content. Idempotent.
   */
  withdraw(content: ContentId, pieces: Iterable<PieceIndex>, _now: Now): void {
    this.offering(content, share => share.withdraw(pieces))
  }

  /** Offers and serves these pieces again: they can be read, and their bytes are intact. Idempotent. */
  restore(content: ContentId, pieces: Iterable<PieceIndex>, _now: Now): void {
    this.offering(content, share => share.restore(pieces))
  }

  /** Applies `change` to a content, and announces the content again when its offer changed by that. */
  private offering<T>(content: ContentId, change: (share: SharedContent) => T): T | undefined {
    const share = this.entries.get(content)?.share
    const before = share?.held?.offer
    if (share === undefined || before === undefined) return undefined
    const changed = change(share)
    const held = share.held?.offer ?? 'none'
    if (held !== before) this.outbox.emit({ kind: 'announce', content, held })
    return changed
  }

  /** Adds providers that the records returned or the user named. */
  sources(content: ContentId, contacts: readonly Contact[], now: Now): void {
    this.entries.get(content)?.download?.sources(contacts, now)
    this.tickSoon(now)
  }

  /**
   * Sends `offer` to a peer that could not dial this node. The peer then uses the link that this opens. No effect while
   * nothing of the content can be served.
   */
  offer(content: ContentId, to: Contact): void {
    if (this.entries.get(content)?.share.held === undefined) return
    this.outbox.send(to, 'stream', { kind: 'offer', content })
  }

  /** The member is dead or has left. Its open requests go to other sources at once. */
  memberDown(peer: NodeId, now: Now): void {
    this.forgetPeer(peer, false, now)
  }

  /**
   * Fetches the ranges that a reader of an unfinished content needs next, in their order, before all other leaves.
   * Replaces the previous ranges of this reader. The ranges must lie in the content. False when the content is not
   * being fetched, or has too many readers.
   */
  reading(content: ContentId, reader: ReaderId, ranges: readonly LeafRange[], now: Now): boolean {
    return this.entries.get(content)?.download?.reading(reader, ranges, now) === true
  }

  /** Removes a reader. */
  stopReading(content: ContentId, reader: ReaderId, now: Now): void {
    this.entries.get(content)?.download?.stopReading(reader, now)
  }

  progress(content: ContentId, now: Now): Progress | undefined {
    return this.entries.get(content)?.download?.progress(now)
  }

  /** Undefined while the download can make progress. Examines every missing piece: too slow for every tick. */
  shortage(content: ContentId): Shortage | undefined {
    return this.entries.get(content)?.download?.shortage()
  }

  banned(now: Now): Ban[] {
    return this.bans.list(now.mono)
  }

  contents(now: Now): ContentState[] {
    return [...this.entries].map(([content, { download }]) => ({
      content,
      role: download === undefined ? 'seed' : 'download',
      progress: download?.progress(now)
    }))
  }

  counters(): Readonly<ExchangeCounts> {
    const { interests, unchokedBy, context } = this
    return { peersInterested: interests.size, peersServing: unchokedBy.size, inFlightBytes: context.inFlightBytes }
  }

  /** A bit for each piece that is complete and not withdrawn; undefined before the content's layout is known. */
  heldPieces(content: ContentId): Bitfield | undefined {
    return this.entries.get(content)?.share.held?.pieceBits()
  }

  /** The entry of a content, created when it is new. Undefined when there are CONTENTS_MAX others. */
  private entry(content: ContentId): Entry | undefined {
    const known = this.entries.get(content)
    if (known !== undefined) return known
    if (this.entries.size >= CONTENTS_MAX) return undefined
    const entry: Entry = { share: new SharedContent(this.context, content), download: undefined, offered: true }
    this.entries.set(content, entry)
    return entry
  }

  receive(from: Contact, via: Channel, message: ExchangeMessage, now: Now): void {
    if (via !== 'stream') {
      this.misbehaved(from.id, `sent ${message.kind} in a datagram`)
      return
    }
    const entry = 'content' in message ? this.entries.get(message.content) : undefined
    const download = entry?.download
    switch (message.kind) {
      case 'interested':
        this.interested(from, message.content, now)
        break
      case 'not-interested':
        this.loseInterest(from.id, message.content, now)
        break
      case 'have-all':
        this.holds(from, entry, undefined, now)
        break
      case 'have-bits':
        this.holds(from, entry, message.pieces, now)
        break
      case 'not-held':
        download?.partners.notHeld(from.id, now)
        break
      case 'have':
        if (download?.partners.learn(from.id, message.ranges, now) === false)
          this.misbehaved(from.id, 'announced leaves outside the content')
        break
      case 'request':
        this.requested(from, message, now)
        break
      case 'cancel':
        this.uploads.cancel(from.id, message.requests)
        break
      case 'reject':
        this.eachDownload(one => one.partners.rejected(from.id, message.requests, message.reason, now))
        break
      case 'choke':
      case 'unchoke':
        this.choked(from.id, message.kind === 'choke', now)
        break
      case 'peers':
        if (this.related(from.id, entry)) download?.sources(message.contacts, now)
        break
      case 'banned':
        if (entry !== undefined)
          this.outbox.emit({ kind: 'accused', content: message.content, peer: from.id, reason: message.reason })
        break
      case 'gone':
        download?.partners.gone(from.id, message.pieces)
        break
      case 'offer':
        download?.offered(from, now)
        break
      default:
        unreachable(message)
    }
    this.tickSoon(now)
  }

  /** Emits an event. Announces a content that is not offered as not held. */
  private emit(event: ExchangeEvent): void {
    const isHidden = event.kind === 'announce' && this.entries.get(event.content)?.offered === false
    this.outbox.emit(isHidden ? { ...event, held: 'none' } : event)
  }

  private eachDownload(visit: (download: Download) => void): void {
    for (const download of this.downloads) visit(download)
  }

  private misbehaved(peer: NodeId, what: string): void {
    this.outbox.emit({ kind: 'misbehaved', peer, what })
  }

  private interested(from: Contact, content: ContentId, now: Now): void {
    const entry = this.entries.get(content)
    const contents = this.interests.get(from.id) ?? new Set()
    const full = contents.size >= INTERESTS_PER_PEER_MAX || (contents.size === 0 && this.interests.size >= PEERS_MAX)
    if (entry === undefined || full || this.bans.has(from.id, 'everywhere', now.mono)) {
      this.outbox.send(from, 'stream', { kind: 'not-held', content })
      return
    }
    contents.add(content)
    this.interests.set(from.id, contents)
    const fresh = entry.share.interest(from)
    this.uploads.admit(from, now)
    if (fresh) this.introduce(from, entry)
    entry.download?.sources([from], now)
  }

  private loseInterest(peer: NodeId, content: ContentId, now: Now): void {
    this.entries.get(content)?.share.loseInterest(peer)
    this.uploads.forget(peer, content)
    const contents = this.interests.get(peer)
    contents?.delete(content)
    if (contents?.size !== 0) return
    this.interests.delete(peer)
    this.uploads.dismiss(peer, now)
  }

  private holds(from: Contact, entry: Entry | undefined, bits: Uint8Array | undefined, now: Now): void {
    const download = entry?.download
    if (entry === undefined || download === undefined) return
    const before = download.partners.openContacts.length
    if (!download.partners.holds(from, bits, now)) this.misbehaved(from.id, 'sent a bitfield of the wrong length')
    if (this.unchokedBy.has(from.id)) download.partners.choke(from.id, false, now)
    if (download.partners.openContacts.length > before) this.introduce(from, entry)
  }

  private introduce(newcomer: Contact, entry: Entry): void {
    entry.share.introduce(newcomer, this.present(entry))
    this.introducing.add(entry)
  }

  /** Peers that have unchoked this node. A choke applies to all contents. */
  private readonly unchokedBy = new Set<NodeId>()

  private choked(peer: NodeId, choked: boolean, now: Now): void {
    if (choked) this.unchokedBy.delete(peer)
    else if (this.unchokedBy.size < PEERS_MAX) this.unchokedBy.add(peer)
    this.eachDownload(download => download.partners.choke(peer, choked, now))
  }

  private requested(from: Contact, message: ExchangeMessage & { kind: 'request' }, now: Now): void {
    const share = this.entries.get(message.content)?.share
    const refusal = (request: (typeof message.requests)[number]) =>
      share === undefined ? 'not-held' : share.refusal(from.id, request)
    // This node removed the peer, for example as dead, and the peer does not know it. `not-held` makes it start again.
    if (share?.interests.has(from.id) !== true)
      this.outbox.send(from, 'stream', { kind: 'not-held', content: message.content })
    if (!this.uploads.request(from, message.content, message.requests, refusal, now)) {
      this.misbehaved(from.id, 'used a request number twice')
    }
  }

  /** The interested peers and the open sources of a content. */
  private present(entry: Entry): Contact[] {
    const present = new Map(entry.share.interests)
    for (const contact of entry.download?.partners.openContacts ?? []) present.set(contact.id, contact)
    return [...present.values()]
  }

  private related(peer: NodeId, entry: Entry | undefined): boolean {
    return entry !== undefined && this.present(entry).some(one => one.id === peer)
  }

  private ban(peer: Contact, content: ContentId, reason: BanReason, now: Now): void {
    if (this.bans.has(peer.id, content, now.mono)) return
    const reach = this.bans.ban(peer.id, content, reason, now.mono)
    this.outbox.send(peer, 'stream', { kind: 'banned', content, reason })
    this.outbox.emit({ kind: 'banned', content, peer: peer.id, everywhere: reach === 'everywhere' })
    if (reach === 'everywhere') this.forgetPeer(peer.id, false, now)
    else this.entries.get(content)?.download?.partners.lost(peer.id, { tell: true, keep: false }, now)
  }

  /** Removes all state of a peer. With `keep` it stays a possible source, and is asked again later. */
  private forgetPeer(peer: NodeId, keep: boolean, now: Now): void {
    this.unchokedBy.delete(peer)
    this.eachDownload(({ partners }) => {
      if (keep) partners.cut(peer, now)
      else partners.lost(peer, { tell: false, keep: false }, now)
    })
    for (const content of this.interests.get(peer) ?? []) this.entries.get(content)?.share.loseInterest(peer)
    this.interests.delete(peer)
    this.uploads.dismiss(peer, now)
  }

  link(peer: NodeId, state: 'up' | 'down', now: Now): void {
    if (state === 'down') this.forgetPeer(peer, true, now)
    this.tickSoon(now)
  }

  done(token: number, result: Result, now: Now): void {
    const then = this.awaited.get(token)
    this.awaited.delete(token)
    then?.(result, now)
    this.tickSoon(now)
  }

  wake(now: Now): void {
    for (const share of this.telling) {
      if (share.nextNews !== undefined && share.nextNews > now.mono) continue
      share.sendNews()
      this.telling.delete(share)
    }
    if (this.tickAt === undefined || now.mono < this.tickAt) return
    this.tickAt = undefined
    this.eachDownload(download => {
      if (download.complete) this.downloads.delete(download)
      else if (!download.idle) download.tick(now)
    })
    if (now.mono >= this.introduceAt) {
      this.introduceAt = after(now.mono, PEER_EXCHANGE_MS)
      this.uploads.tick(now)
      for (const entry of this.introducing) entry.share.sendNewcomers(this.present(entry))
      this.introducing.clear()
    }
    this.tickSoon(now)
  }

  /** Schedules a tick while a peer is interested or a download is active. */
  private tickSoon(now: Now): void {
    if (this.tickAt !== undefined) return
    let busy = !this.uploads.idle
    this.eachDownload(download => (busy ||= !download.idle))
    if (busy) this.tickAt = after(now.mono, TICK_MS)
  }

  nextWake(): Instant | undefined {
    let next = this.tickAt
    for (const share of this.telling) next = earliest(next, share.nextNews)
    return next
  }

  drain(): Array<Effect<ExchangeMessage, ExchangeCommand, ExchangeEvent>> {
    return this.outbox.drain()
  }
}
