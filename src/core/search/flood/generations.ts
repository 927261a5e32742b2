/**
 * A map that forgets in halves: what was set lives for one to two times `ms`, or until two times `limit` others came after it.
 * Two rotating generations cost one look-up more than a map, and nothing per entry to expire it.
 */
import { assert } from '../../../base/assert.ts'
import { after, type Instant } from '../../../base/time.ts'

export class Generations<K, V> {
  private young = new Map<K, V>()
  private old = new Map<K, V>()
  private turnAt: Instant | undefined
  private readonly limit: number
  private readonly ms: number

  /** `limit` is that of one generation. */
  constructor(limit: number, ms: number) {
    assert(limit > 0 && ms > 0, 'a limit is above zero')
    this.limit = limit
    this.ms = ms
  }

  get size(): number {
    return this.young.size + this.old.size
  }

  get(key: K, now: Instant): V | undefined {
    this.turn(now)
    return this.young.get(key) ?? this.old.get(key)
  }

  set(key: K, value: V, now: Instant): void {
    this.turn(now)
    if (this.young.size >= this.limit && !this.young.has(key)) this.rotate(after(now, this.ms))
    this.old.delete(key)
    this.young.set(key, value)
  }

  /** Forgets what has lived its time; every use does so too. */
  turn(now: Instant): void {
    this.turnAt ??= after(now, this.ms)
    if (now < this.turnAt) return
    const nextAt = after(this.turnAt, this.ms)
    this.rotate(nextAt)
    // Nobody came by for longer than that.
    if (nextAt <= now) this.rotate(after(now, this.ms))
  }

  private rotate(turnAt: Instant): void {
    this.old = this.young
    this.young = new Map()
    this.turnAt = turnAt
  }
}
