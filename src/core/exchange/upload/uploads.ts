/**
 * The uploads of this node: a bounded queue for each peer; the queues take turns of one block each. Blocks of one peer
 * are passed to io in the order of its requests, so that leaf hashes precede the leaves that need them.
 *
 * Leaves that were never sent to any peer come first. While there is only one seed, each leaf that it sends twice
 * delays another leaf for the whole swarm.
 *
 * At most `uploadsMax` blocks are sent at once. Blocks that take longer than 2 s do not count, so that a peer that
 * stopped reading delays only its own blocks.
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
  /** When the peer was last choked or unchoked, or arrived. */
  since: Instant
  queue: Upload[]
  /** When its last upload started. */
  uploadedAt: Instant
  readonly active: Map<number, Active>
}

/** The contents that are served, as the uploads need them. */
export interface ContentBook {
  /** io could not read the piece, because its bytes changed or the disk failed. */
  unreadable(content: ContentId, piece: PieceIndex, reason: 'changed' | 'disk'): void
  /** Whether some of these leaves were never sent to any peer. */
  fresh(content: ContentId, range: LeafRange): boolean
  sent(content: ContentId, range: LeafRange): void
}

export class Uploads {
  private readonly context: ExchangeContext
  private readonly content: ContentBook
  private readonly choker: Choker = clusterChoker
  private readonly peers = new Map<NodeId, Served>()
  /** The peers in the order of their turns. */
  private turns: NodeId[] = []
  /** Active uploads that count against `uploadsMax`. */
  private counted = 0

  constructor(context: ExchangeContext, content: ContentBook) {
    this.context = context
    this.content = content
  }

  get idle(): boolean {
    return this.peers.size === 0
  }

  /** The peer is interested in a content. Sends `unchoke` when it is served. */
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
      uploadedAt: now.mono,
      active: new Map()
    })
    this.turns.push(contact.id)
    this.choose(now)
  }

  /** Removes the peer: drops its queue and stops its active uploads. */
  dismiss(peer: NodeId, now: Now): void {
    const served = this.peers.get(peer)
    if (served === undefined) return
    served.queue = []
    for (const active of served.active.values()) this.stop(peer, active)
    this.peers.delete(peer)
    this.turns = this.turns.filter(one => one !== peer)
    this.choose(now)
  }

  /** Drops the requests for one content and stops its uploads, for one peer or, when it is undefined, for all. */
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
   * Queues requests. `refusal` returns why a request cannot be served regardless of load, or undefined. A request whose
   * number is queued or being sent is ignored. Returns false when there was one.
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
    let isUnique = true
    for (const one of requests) {
      if (queued.has(one.request) || served?.active.has(one.request) === true) {
        isUnique = false
        continue
      }
      const reason = refusal(one) ?? load(served)
      if (reason === undefined) {
        expectDefined(served, 'only an unchoked peer has requests accepted').queue.push({ ...one, content })
        queued.add(one.request)
      } else refused.set(reason, [...(refused.get(reason) ?? []), one.request])
    }
    for (const [reason, ids] of refused) this.context.send(from, { kind: 'reject', requests: ids, reason })
    this.pump(now)
    return isUnique
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

  /** Starts uploads while the limits allow. */
  private pump(now: Now): void {
    while (this.counted < this.context.settings.uploadsMax) {
      const able = this.turns.filter(peer => this.canServe(peer))
      const peer = able.find(one => this.isUrgent(one, now)) ?? able[0]
      if (peer === undefined) return
      this.turns = this.turns.filter(one => one !== peer)
      this.turns.push(peer)
      const served = this.served(peer)
      this.begin(served, expectDefined(served.queue.shift(), 'a peer that can be served has a queued request'), now)
    }
  }

  private served(peer: NodeId): Served {
    return expectDefined(this.peers.get(peer), 'each peer in the turns is known')
  }

  private canServe(peer: NodeId): boolean {
    const { queue, active } = this.served(peer)
    return queue.length > 0 && active.size < UPLOADS_PER_PEER_MAX
  }

  /** Leaves that were never sent come first (BEP 16), but a peer waits for these at most REPEAT_WAIT_MS. */
  private isUrgent(peer: NodeId, now: Now): boolean {
    const { queue, uploadedAt } = this.served(peer)
    const next = expectDefined(queue[0], 'a peer that can be served has a queued request')
    return now.mono - uploadedAt >= REPEAT_WAIT_MS || this.content.fresh(next.content, next.range)
  }

  private begin(served: Served, upload: Upload, now: Now): void {
    const { content, request, range, hashes } = upload
    const active: Active = { ...upload, startedAt: now.mono, slow: false, stopping: false }
    served.active.set(request, active)
    this.counted++
    served.uploadedAt = now.mono
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

  /** Called every second: chooses the peers to serve, and judges slow uploads. */
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
