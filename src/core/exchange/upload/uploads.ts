/**
 * What this node sends: a bounded queue for each peer, served in turn, a block each. Blocks of one peer are handed to io in
 * the order of its requests, so that leaf hashes come before the leaves that need them.
 *
 * What was never sent to anybody goes before what was: as long as there is one seed, each of its leaves that is sent twice makes
 * everybody wait for another.
 *
 * At most `uploadsMax` blocks are being sent at once, not counting those that take longer than 2 s: a peer that stopped
 * reading holds up its own blocks only.
 */
import { expectDefined } from '../../../base/assert.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'
import type { BlockRequest, RejectReason } from '../../../wire/exchange.ts'
import type { LeafRange, PieceIndex } from '../../../wire/bittorrent/layout.ts'
import type { Now, Result } from '../../machine.ts'
import { clusterChoker, type Choker } from './choker.ts'
import type { RequestId } from '../contract.ts'
import type { ExchangeContext } from '../context.ts'
import {
  REPEAT_WAIT_MS,
  UPLOAD_DEADLINE_MS,
  UPLOAD_QUEUE_MAX,
  UPLOAD_SLOW_MS,
  UPLOADS_PER_PEER_MAX
} from '../settings.ts'

interface Upload extends BlockRequest {
  readonly content: ContentId
}

interface Active extends Upload {
  readonly startedAt: Instant
  slow: boolean
  stopping: boolean
}

interface Served {
  readonly contact: Contact
  unchoked: boolean
  /** When it began to be served, or to wait. */
  since: Instant
  queue: Upload[]
  /** When its last upload began. */
  begunAt: Instant
  readonly active: Map<number, Active>
}

/** What is known of the contents that are served. */
export interface ContentBook {
  /** io could not read the piece: its bytes changed, or the disk failed. */
  unreadable(content: ContentId, piece: PieceIndex, reason: 'changed' | 'disk'): void
  /** Some of these leaves were never sent to anybody. */
  fresh(content: ContentId, range: LeafRange): boolean
  sent(content: ContentId, range: LeafRange): void
}

export class Uploads {
  private readonly context: ExchangeContext
  private readonly content: ContentBook
  private readonly choker: Choker = clusterChoker
  private readonly peers = new Map<NodeId, Served>()
  /** Whose turn it is: the first. */
  private turns: NodeId[] = []
  /** Active ones that count against `uploadsMax`. */
  private counted = 0

  constructor(context: ExchangeContext, content: ContentBook) {
    this.context = context
    this.content = content
  }

  get idle(): boolean {
    return this.peers.size === 0
  }

  /** The peer is interested in something; tells it whether it is served. */
  admit(contact: Contact, now: Now): void {
    const known = this.peers.get(contact.id)
    if (known !== undefined) {
      if (known.unchoked) this.context.send(contact, { kind: 'unchoke' })
      return
    }
    this.peers.set(contact.id, {
      contact,
      unchoked: false,
      since: now.mono,
      queue: [],
      begunAt: now.mono,
      active: new Map()
    })
    this.turns.push(contact.id)
    this.choose(now)
  }

  /** Nothing of it is queued any more, and what is being sent is stopped. */
  dismiss(peer: NodeId, now: Now): void {
    const served = this.peers.get(peer)
    if (served === undefined) return
    served.queue = []
    for (const active of served.active.values()) this.stop(peer, active)
    this.peers.delete(peer)
    this.turns = this.turns.filter(one => one !== peer)
    this.choose(now)
  }

  /** Of one content only; or of everybody, when `peer` is undefined. */
  forget(peer: NodeId | undefined, content: ContentId): void {
    for (const [id, served] of this.peers) {
      if (peer !== undefined && peer !== id) continue
      served.queue = served.queue.filter(one => one.content !== content)
      for (const active of served.active.values()) if (active.content === content) this.stop(id, active)
    }
  }

  private choose(now: Now): void {
    const peers = [...this.peers].map(([peer, { unchoked, since }]) => ({ peer, served: unchoked, since }))
    const chosen = this.choker.choose(peers, this.context.settings.degree, now)
    for (const [peer, served] of this.peers) {
      if (chosen.has(peer) === served.unchoked) continue
      served.unchoked = !served.unchoked
      served.since = now.mono
      served.queue = []
      this.context.send(served.contact, served.unchoked ? { kind: 'unchoke' } : { kind: 'choke' })
    }
  }

  /**
   * `refusal` says why a request cannot be taken whatever the load, or undefined. A number that is queued or being sent is not
   * taken a second time: the answer is false, and the first one goes on.
   */
  request(
    from: Contact,
    content: ContentId,
    requests: readonly BlockRequest[],
    refusal: (request: BlockRequest) => RejectReason | undefined,
    now: Now
  ): boolean {
    const served = this.peers.get(from.id)
    const refused = new Map<RejectReason, number[]>()
    const queued = new Set(served?.queue.map(one => one.request))
    let sound = true
    for (const one of requests) {
      if (queued.has(one.request) || served?.active.has(one.request) === true) {
        sound = false
        continue
      }
      const reason = refusal(one) ?? load(served)
      if (reason === undefined) {
        expectDefined(served, 'only a served peer is taken').queue.push({ ...one, content })
        queued.add(one.request)
      } else refused.set(reason, [...(refused.get(reason) ?? []), one.request])
    }
    for (const [reason, ids] of refused) this.context.send(from, { kind: 'reject', requests: ids, reason })
    this.pump(now)
    return sound
  }

  cancel(peer: NodeId, requests: readonly number[]): void {
    const served = this.peers.get(peer)
    if (served === undefined) return
    const ids = new Set(requests)
    served.queue = served.queue.filter(one => !ids.has(one.request))
    for (const id of ids) {
      const active = served.active.get(id)
      if (active !== undefined) this.stop(peer, active)
    }
  }

  private stop(peer: NodeId, active: Active): void {
    if (active.stopping) return
    active.stopping = true
    this.context.command({ kind: 'stop-upload', peer, request: active.request as RequestId }, () => undefined)
  }

  /** Begins what may begin. */
  private pump(now: Now): void {
    while (this.counted < this.context.settings.uploadsMax) {
      const able = this.turns.filter(peer => this.canServe(peer))
      const peer = able.find(one => this.isUrgent(one, now)) ?? able[0]
      if (peer === undefined) return
      this.turns = this.turns.filter(one => one !== peer)
      this.turns.push(peer)
      const served = this.served(peer)
      this.begin(served, expectDefined(served.queue.shift(), 'it has something queued'), now)
    }
  }

  private served(peer: NodeId): Served {
    return expectDefined(this.peers.get(peer), 'whose turn it is, is served')
  }

  private canServe(peer: NodeId): boolean {
    const { queue, active } = this.served(peer)
    return queue.length > 0 && active.size < UPLOADS_PER_PEER_MAX
  }

  /** What was never sent goes first (BEP 16), but nobody waits for that longer than a second. */
  private isUrgent(peer: NodeId, now: Now): boolean {
    const { queue, begunAt } = this.served(peer)
    const next = expectDefined(queue[0], 'it has something queued')
    return now.mono - begunAt >= REPEAT_WAIT_MS || this.content.fresh(next.content, next.range)
  }

  private begin(served: Served, upload: Upload, now: Now): void {
    const { content, request, range, hashes } = upload
    const active: Active = { ...upload, startedAt: now.mono, slow: false, stopping: false }
    served.active.set(request, active)
    this.counted++
    served.begunAt = now.mono
    this.content.sent(content, range)
    const peer = served.contact.id
    this.context.command(
      { kind: 'upload', peer, request: request as RequestId, content, range, hashes },
      (result, at) => this.ended(served, active, result, at)
    )
  }

  private ended(served: Served, active: Active, result: Result, now: Now): void {
    if (!active.slow) this.counted--
    served.active.delete(active.request)
    if (!result.ok) this.failed(served, active, result.reason)
    this.pump(now)
  }

  private failed(served: Served, { content, request, range }: Active, reason: string): void {
    if (reason !== 'changed' && reason !== 'disk') return
    this.content.unreadable(content, range.piece, reason)
    this.context.send(served.contact, {
      kind: 'reject',
      requests: [request],
      reason: reason === 'changed' ? 'changed' : 'failed'
    })
  }

  /** Every second: chokes, and uploads that take too long. */
  tick(now: Now): void {
    this.choose(now)
    for (const [peer, served] of this.peers) {
      for (const active of served.active.values()) {
        const ms = now.mono - active.startedAt
        if (ms >= UPLOAD_DEADLINE_MS) this.stop(peer, active)
        if (ms < UPLOAD_SLOW_MS || active.slow) continue
        active.slow = true
        this.counted--
      }
    }
    this.pump(now)
  }
}

function load(served: Served | undefined): RejectReason | undefined {
  if (served?.unchoked !== true) return 'choked'
  return served.queue.length >= UPLOAD_QUEUE_MAX ? 'busy' : undefined
}
