/**
 * A map whose entries expire: an entry lives for one to two times `ms`, or until up to two times `limit` newer entries
 * are set. It rotates two generations, so that a look-up costs at most two, and no entry needs a timer.
 */
import { assert } from '../../../base/assert.ts'
import { after, type Instant } from '../../../base/time.ts'

export class Generations<K, V> {
  private young = new Map<K, V>()
  private old = new Map<K, V>()
  private turnAt: Instant | undefined
  private readonly limit: number
  private readonly ms: number

  /** `limit` is the number of entries in one generation. */
  constructor(limit: number, ms: number) {
    assert(limit > 0 && ms > 0, 'limit and ms are positive')
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

  /** Drops expired entries. `get` and `set` do so too. */
  turn(now: Instant): void {
    this.turnAt ??= after(now, this.ms)
    if (now < this.turnAt) return
    const nextAt = after(this.turnAt, this.ms)
    this.rotate(nextAt)
    // The map was not used for a whole generation.
    if (nextAt <= now) this.rotate(after(now, this.ms))
  }

  private rotate(turnAt: Instant): void {
    this.old = this.young
    this.young = new Map()
    this.turnAt = turnAt
  }
}
