/**
 * A map whose values are also an array, so that one of them can be drawn at random in constant time. Deleting moves the
 * last value into the gap: the order of the array is that of insertion until the first deletion.
 */
import { expectDefined } from './assert.ts'

export class IndexedMap<K, V> {
  private readonly keys: K[] = []
  private readonly list: V[] = []
  private readonly places = new Map<K, number>()

  get size(): number {
    return this.list.length
  }

  /** The values by place. It changes with the map: copy what is kept. */
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

  /** Adds the value at the end, or replaces the value of a known key in its place. */
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
