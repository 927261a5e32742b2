/**
 * What this node provides itself. A publication is claimed (its sequence is on disk before anybody sees it, so that it
 * grows over restarts), delivered to the replicas of its key, and claimed anew before its time to live ends. A withdrawn
 * one stays until its tombstone would have expired everywhere.
 */
import { Alarms } from '../../base/alarms.ts'
import { isId, type Key } from '../../base/ids.ts'
import { after, type Instant } from '../../base/time.ts'
import { encode, oneOf, struct, tryDecode, varint } from '../../wire/codec/codec.ts'
import type { Held, ProviderRecord } from '../../wire/records.ts'
import type { Restored, Signer } from '../machine.ts'
import { claim } from './claims.ts'
import type { RecordsContext } from './context.ts'
import type { Deliveries, Delivered } from './deliveries.ts'
import { REFRESH_AHEAD } from './settings.ts'

const PREFIX = 'published/'
/** What is kept on disk: the last sequence used, and what it claimed. */
const kept = struct({ sequence: varint, held: oneOf(['none', 'part', 'all']) })
/** After a restart everything is claimed anew, within this. */
const RESTART_SPREAD_MS = 5_000
/** More claims than a node makes about one key before its disk is lost; 2^52 sequences last for 2^32 lies. */
const SEQUENCE_STEP_MAX = 2 ** 20

interface Publication {
  readonly key: Key
  held: Held
  sequence: number
  record: ProviderRecord
  /** persisting: the sequence is on its way to the disk. settled: at the replicas, until the next claim. */
  state: { kind: 'persisting'; token: number } | { kind: 'delivering' } | { kind: 'settled'; acks: number; of: number }
}

export class Publications {
  private readonly context: RecordsContext
  private readonly signer: Signer
  private readonly deliveries: Deliveries
  private readonly byKey = new Map<Key, Publication>()
  private readonly persisting = new Map<number, Key>()
  /** When each is claimed again, or forgotten. */
  private readonly due = new Alarms<Key>()

  constructor(
    parts: { context: RecordsContext; signer: Signer; deliveries: Deliveries },
    restored: Restored,
    now: Instant
  ) {
    this.context = parts.context
    this.signer = parts.signer
    this.deliveries = parts.deliveries
    for (const [name, value] of restored) if (name.startsWith(PREFIX)) this.restore(name, value, now)
  }

  get size(): number {
    return this.byKey.size
  }

  publish(key: Key, held: 'part' | 'all', now: Instant): void {
    const known = this.byKey.get(key)
    if (known === undefined && this.byKey.size >= this.context.settings.publicationsMax) {
      this.context.outbox.emit({ kind: 'unpublished', key, reason: 'limit' })
      return
    }
    if (known?.held === held) this.tell(known)
    else this.claim(key, held, (known?.sequence ?? 0) + 1, now)
  }

  withdraw(key: Key, now: Instant): void {
    const known = this.byKey.get(key)
    if (known === undefined) return
    if (known.held === 'none') this.tell(known)
    else this.claim(key, 'none', known.sequence + 1, now)
  }

  /** Where there were fewer than k members to hold it, and are more now, it is delivered again. */
  charged(now: Instant): void {
    const wanted = this.context.replicaCount
    for (const publication of this.byKey.values()) {
      const { state } = publication
      if (state.kind === 'settled' && state.of < Math.min(wanted, this.context.settings.replicas))
        this.deliver(publication, now)
    }
  }

  /** False when the write was none of these. */
  written(token: number, ok: boolean, now: Instant): boolean {
    const key = this.persisting.get(token)
    if (key === undefined) return false
    this.persisting.delete(token)
    const publication = this.byKey.get(key)
    if (publication?.state.kind !== 'persisting' || publication.state.token !== token) return true
    if (ok) this.deliver(publication, now)
    // A full disk: the claim waits, and is made anew.
    else this.due.set(key, after(now, this.context.random.jitter(this.context.settings.backoffMsMax)))
    return true
  }

  nextWake(): Instant | undefined {
    return this.due.next()
  }

  wake(now: Instant): void {
    const first = this.due.take(now)
    if (first === undefined) return
    // What is due soon goes along, so that what lies in one range is put in one batch.
    const ahead = after(now, this.context.settings.refreshMs * REFRESH_AHEAD)
    for (let key: Key | undefined = first; key !== undefined; key = this.due.take(ahead)) {
      const publication = this.byKey.get(key)
      if (publication === undefined) continue
      const { state, held, sequence } = publication
      if (held === 'none' && state.kind === 'settled') this.forget(key)
      else this.claim(key, held, sequence + 1, now)
    }
  }

  private claim(key: Key, held: Held, sequence: number, now: Instant): void {
    const { ttlMs, refreshMs } = this.context.settings
    const record = claim(this.signer, { key, sequence, ttlMs, held })
    const token = this.context.outbox.persist(PREFIX + key, encode(kept, { sequence, held }))
    this.persisting.set(token, key)
    this.byKey.set(key, { key, held, sequence, record, state: { kind: 'persisting', token } })
    this.due.set(key, after(now, held === 'none' ? ttlMs : this.context.random.jitter(refreshMs * 0.8)))
  }

  private deliver(publication: Publication, now: Instant): void {
    const { key, record } = publication
    publication.state = { kind: 'delivering' }
    const delivered = (how: Delivered, at: Instant): void => {
      if (this.byKey.get(key) === publication) this.delivered(publication, how, at)
    }
    const copy = () => ({ record, leftMs: record.ttlMs })
    this.deliveries.add({ key, provider: record.provider, isStray: false, copy, delivered }, now)
  }

  private delivered(publication: Publication, how: Delivered, now: Instant): void {
    const { key, sequence } = publication
    switch (how.kind) {
      case 'safe':
        publication.state = { kind: 'settled', acks: how.acks, of: how.of }
        this.tell(publication)
        break
      case 'stale':
        // This node's disk was lost, or an older one put back: go on above what the others know. A liar gains a step.
        publication.sequence = Math.min(Math.max(sequence, how.sequence), sequence + SEQUENCE_STEP_MAX)
        this.due.set(key, after(now, this.context.backoffMs(0)))
        break
      case 'void':
        break
    }
  }

  private tell({ key, held, sequence, state }: Publication): void {
    if (state.kind !== 'settled') return
    this.context.outbox.emit({ kind: 'published', key, held, sequence, acks: state.acks, of: state.of })
  }

  private forget(key: Key): void {
    this.byKey.delete(key)
    this.context.outbox.persist(PREFIX + key, undefined)
  }

  private restore(name: string, value: Uint8Array, now: Instant): void {
    const key = name.slice(PREFIX.length)
    const last = tryDecode(kept, value)
    if (last === undefined || !isId(key)) {
      this.context.outbox.persist(name, undefined)
      return
    }
    const { sequence, held } = last
    const { ttlMs } = this.context.settings
    const record = claim(this.signer, { key: key as Key, sequence, ttlMs, held })
    this.byKey.set(key as Key, { key: key as Key, held, sequence, record, state: { kind: 'delivering' } })
    this.due.set(key as Key, after(now, this.context.random.range(0, RESTART_SPREAD_MS)))
  }
}
