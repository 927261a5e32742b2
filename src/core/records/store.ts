/**
 * The records that this node holds, for any provider: the highest sequence of each (key, provider), in memory and on disk.
 * What is on disk has what was left of its time to live when it was written, and counts it on from the restart: a record
 * may outlive its time by how long the node was away, never fall short of it by more than a step.
 */
import { expectDefined } from '../../base/assert.ts'
import type { Key, NodeId } from '../../base/ids.ts'
import { inArc, type KeyRange } from '../../base/ring.ts'
import { after, type Instant } from '../../base/time.ts'
import { encode, tryDecode } from '../../wire/codec/codec.ts'
import { recordCopy, type Position, type ProviderRecord, type RecordCopy, type Verdict } from '../../wire/records.ts'
import type { Restored, Verifier } from '../machine.ts'
import { fingerprint, isGenuine } from './claims.ts'
import { LEFT_STEP, type RecordsSettings } from './settings.ts'

export interface Entry {
  readonly record: ProviderRecord
  readonly print: string
  readonly expiresAt: Instant
  /** What was left of its time to live when it was last written. */
  writtenLeftMs: number
  /** On disk; on its way there, under a token; or refused by the disk. */
  disk: { state: 'safe' } | { state: 'writing'; token: number } | { state: 'failed' }
  /** The highest sequence that is on disk: a newer one on its way there does not take the older one's place before. */
  safeSequence: number
  /** Not this node's any more, and acked by all whose it is, at this time. */
  handedOverAt: Instant | undefined
}

/** `token`: the answer is true only once this write has ended. */
export interface Outcome {
  readonly verdict: Verdict
  readonly sequence: number
  readonly token?: number
}

const PREFIX = 'records/'
const diskKey = ({ key, provider }: Position): string => `${PREFIX}${key}/${provider}`

export class RecordStore {
  private readonly settings: RecordsSettings
  private readonly verifier: Verifier
  private readonly persist: (key: string, value: Uint8Array | undefined) => number
  private readonly byKey = new Map<Key, Map<NodeId, Entry>>()
  /** Ascending. */
  private readonly keys: Key[] = []
  private readonly countOf = new Map<NodeId, number>()
  private readonly writing = new Map<number, Entry>()
  size = 0

  constructor(
    parts: {
      settings: RecordsSettings
      verifier: Verifier
      persist: (key: string, value: Uint8Array | undefined) => number
    },
    restored: Restored,
    now: Instant
  ) {
    this.settings = parts.settings
    this.verifier = parts.verifier
    this.persist = parts.persist
    for (const [name, value] of restored) if (name.startsWith(PREFIX)) this.restore(name, value, now)
  }

  get(key: Key, provider: NodeId): Entry | undefined {
    return this.byKey.get(key)?.get(provider)
  }

  /** Of all providers of the key, tombstones too. */
  of(key: Key): Entry[] {
    return [...(this.byKey.get(key)?.values() ?? [])]
  }

  leftMs(entry: Entry, now: Instant): number {
    return Math.max(0, Math.min(entry.record.ttlMs, Math.floor(entry.expiresAt - now)))
  }

  copy(entry: Entry, now: Instant): RecordCopy {
    return { record: entry.record, leftMs: this.leftMs(entry, now) }
  }

  /** The higher sequence wins. Signatures are checked only of what would be written. */
  put({ record, leftMs }: RecordCopy, now: Instant): Outcome {
    const present = this.get(record.key, record.provider)
    const { sequence } = record
    if (present !== undefined && present.record.sequence >= sequence) return this.compare(present, record, now)
    if (leftMs === 0) return { verdict: 'stale', sequence }
    if (present === undefined && !this.hasRoomFor(record)) return { verdict: 'full', sequence: 0 }
    if (!isGenuine(this.verifier, record)) return { verdict: 'bad', sequence: 0 }
    const left = Math.min(leftMs, record.ttlMs)
    const entry = this.insert(record, after(now, left), left)
    return { verdict: 'stored', sequence, token: this.write(entry, now) }
  }

  /** A write has ended. False when it was none of these. */
  written(token: number, ok: boolean): boolean {
    const entry = this.writing.get(token)
    if (entry === undefined) return false
    this.writing.delete(token)
    if (entry.disk.state === 'writing' && entry.disk.token === token) entry.disk = { state: ok ? 'safe' : 'failed' }
    const present = this.get(entry.record.key, entry.record.provider)
    if (ok && present !== undefined) present.safeSequence = Math.max(present.safeSequence, entry.record.sequence)
    return true
  }

  drop(entry: Entry): void {
    const { key, provider } = entry.record
    const ofKey = this.byKey.get(key)
    if (ofKey?.get(provider) !== entry) return
    ofKey.delete(provider)
    if (ofKey.size === 0) {
      this.byKey.delete(key)
      this.keys.splice(this.indexOf(key), 1)
    }
    this.count(provider, -1)
    this.persist(diskKey({ key, provider }), undefined)
  }

  /** All of the range but what the disk refused, clockwise by key and then by provider, from behind a position on. */
  *inRange({ from, to }: KeyRange, behind?: Position): Generator<Entry> {
    if (behind !== undefined && !inArc(from, behind.key, to)) return
    const start = behind?.key ?? from
    if (behind !== undefined) {
      yield* this.sorted(start, behind.provider)
      if (start === to) return
    }
    const first = this.indexOf(start) + (this.byKey.has(start) ? 1 : 0)
    for (let i = 0; i < this.keys.length; i++) {
      const key = expectDefined(this.keys[(first + i) % this.keys.length], 'an index around the keys')
      if (!inArc(start, key, to)) return
      yield* this.sorted(key, undefined)
    }
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (const ofKey of this.byKey.values()) yield* ofKey.values()
  }

  /** Forgets what has expired, and writes down how much of the others' time is left. */
  sweep(now: Instant): void {
    for (const entry of [...this]) {
      if (entry.expiresAt <= now) this.drop(entry)
      else if (entry.writtenLeftMs - this.leftMs(entry, now) > entry.record.ttlMs * LEFT_STEP) this.write(entry, now)
    }
  }

  private compare(present: Entry, record: ProviderRecord, now: Instant): Outcome {
    const { sequence } = present.record
    if (sequence > record.sequence || present.print !== fingerprint(record)) return { verdict: 'stale', sequence }
    // The sender counts this node as a holder from now on, so what was handed over before is to be handed over again.
    present.handedOverAt = undefined
    if (present.disk.state === 'safe') return { verdict: 'stored', sequence }
    if (present.disk.state === 'writing') return { verdict: 'stored', sequence, token: present.disk.token }
    return { verdict: 'stored', sequence, token: this.write(present, now) }
  }

  private hasRoomFor({ key, provider }: Position): boolean {
    const { recordsMax, recordsPerKeyMax, recordsPerProviderMax } = this.settings
    return (
      this.size < recordsMax &&
      (this.byKey.get(key)?.size ?? 0) < recordsPerKeyMax &&
      (this.countOf.get(provider) ?? 0) < recordsPerProviderMax
    )
  }

  private insert(record: ProviderRecord, expiresAt: Instant, leftMs: number): Entry {
    const print = fingerprint(record)
    const entry: Entry = {
      record,
      print,
      expiresAt,
      writtenLeftMs: leftMs,
      disk: { state: 'safe' },
      safeSequence: this.get(record.key, record.provider)?.safeSequence ?? 0,
      handedOverAt: undefined
    }
    let ofKey = this.byKey.get(record.key)
    if (ofKey === undefined) {
      this.keys.splice(this.indexOf(record.key), 0, record.key)
      this.byKey.set(record.key, (ofKey = new Map<NodeId, Entry>()))
    }
    if (!ofKey.has(record.provider)) this.count(record.provider, 1)
    ofKey.set(record.provider, entry)
    return entry
  }

  private write(entry: Entry, now: Instant): number {
    entry.writtenLeftMs = this.leftMs(entry, now)
    const token = this.persist(diskKey(entry.record), encode(recordCopy, this.copy(entry, now)))
    entry.disk = { state: 'writing', token }
    this.writing.set(token, entry)
    return token
  }

  /** What was written here was checked before it was written. */
  private restore(name: string, value: Uint8Array, now: Instant): void {
    const copy = tryDecode(recordCopy, value)
    if (copy === undefined || diskKey(copy.record) !== name) this.persist(name, undefined)
    else this.insert(copy.record, after(now, copy.leftMs), copy.leftMs).safeSequence = copy.record.sequence
  }

  private count(provider: NodeId, step: 1 | -1): void {
    this.size += step
    const count = (this.countOf.get(provider) ?? 0) + step
    if (count === 0) this.countOf.delete(provider)
    else this.countOf.set(provider, count)
  }

  private sorted(key: Key, behind: NodeId | undefined): Entry[] {
    return this.of(key)
      .filter(({ record, disk }) => disk.state !== 'failed' && (behind === undefined || record.provider > behind))
      .sort((a, b) => (a.record.provider < b.record.provider ? -1 : 1))
  }

  /** The index of the first key at or behind this one. */
  private indexOf(key: Key): number {
    let low = 0
    let high = this.keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (expectDefined(this.keys[middle], 'an index below the length') < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
