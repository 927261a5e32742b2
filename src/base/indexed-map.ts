/**
 * A map whose values are also an array, so that a random value can be picked in constant time. `delete` moves the last
 * value into the gap, so the array is in insertion order only until the first deletion.
 */
import { expectDefined } from './assert.ts'

export class IndexedMap<K, V> {
  private readonly keys: K[] = []
  private readonly list: V[] = []
  private readonly places = new Map<K, number>()

  get size(): number {
    return this.list.length
  }

  /** The live array of values, not a copy: it changes with the map. */
  get values(): readonly V[] {
    return this.list
  }

  has(key: K): boolean {
    return this.places.has(key)
  }

  get(key: K): V | undefined {
    const place = this.places.get(key)
    return place === undefined ? undefined : this.list[place]
  }

  /** Replaces the value of a known key in place; appends the value of a new key. */
  set(key: K, value: V): void {
    const place = this.places.get(key)
    if (place !== undefined) {
      this.list[place] = value
      return
    }
    this.places.set(key, this.list.length)
    this.keys.push(key)
    this.list.push(value)
  }

  /** Returns whether the key was known. */
  delete(key: K): boolean {
    const place = this.places.get(key)
    if (place === undefined) return false
    this.places.delete(key)
    const lastKey = expectDefined(this.keys.pop(), 'a map with a key is not empty')
    const lastValue = this.list.pop() as V
    if (lastKey !== key) {
      this.keys[place] = lastKey
      this.list[place] = lastValue
      this.places.set(lastKey, place)
    }
    return true
  }
}
