/** A map that cannot grow past a limit. */
import { assert } from './assert.ts'

/** A map of at most `limit` entries. When it is full, `set` drops the entry that was least recently set or touched. */
export class LruMap<K, V> {
  private readonly map = new Map<K, V>()
  readonly limit: number

  constructor(limit: number) {
    assert(limit > 0, 'a limit is above zero')
    this.limit = limit
  }

  get size(): number {
    return this.map.size
  }

  /** Does not mark the entry as used; `touch` does. */
  get(key: K): V | undefined {
    return this.map.get(key)
  }

  has(key: K): boolean {
    return this.map.has(key)
  }

  /** Returns the value and marks the entry as the most recently used. */
  touch(key: K): V | undefined {
    const value = this.map.get(key)
    if (value !== undefined) {
      this.map.delete(key)
      this.map.set(key, value)
    }
    return value
  }

  /** Returns the entry that was dropped to make room, if any. */
  set(key: K, value: V): { key: K; value: V } | undefined {
    this.map.delete(key)
    this.map.set(key, value)
    if (this.map.size <= this.limit) return undefined
    for (const [oldest, dropped] of this.map) {
      this.map.delete(oldest)
      return { key: oldest, value: dropped }
    }
    return undefined
  }

  delete(key: K): boolean {
    return this.map.delete(key)
  }

  clear(): void {
    this.map.clear()
  }

  entries(): IterableIterator<[K, V]> {
    return this.map.entries()
  }

  keys(): IterableIterator<K> {
    return this.map.keys()
  }

  values(): IterableIterator<V> {
    return this.map.values()
  }
}
