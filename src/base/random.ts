/**
 * The only source of randomness of the pure modules (base, wire, core, sim): a generator that is seeded once and forked
 * by label. It is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, fast, not for secrets.
 */
import { sha256, utf8, concat } from './bytes.ts'

export class Random {
  private a: number
  private b: number
  private c: number
  private counter: number

  private constructor(seed: Uint8Array) {
    const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
    this.a = view.getUint32(0)
    this.b = view.getUint32(4)
    this.c = view.getUint32(8)
    this.counter = 1
    for (let i = 0; i < 12; i++) this.u32()
  }

  static from(seed: number | string | Uint8Array): Random {
    const bytes = seed instanceof Uint8Array ? seed : utf8(String(seed))
    return new Random(sha256(bytes))
  }

  /** An independent generator for `label`. Advances this one by two draws. */
  fork(label: string): Random {
    const state = new Uint8Array(8)
    const view = new DataView(state.buffer)
    view.setUint32(0, this.u32())
    view.setUint32(4, this.u32())
    return Random.from(concat(state, utf8(label)))
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0
    return t >>> 0
  }

  /** At least 0, below 1. */
  unit(): number {
    return this.u32() / 0x1_0000_0000
  }

  /** An integer of 0 to n - 1. `n` is 1 to 2^32. */
  below(n: number): number {
    return Math.floor(this.unit() * n)
  }

  /** At least `low`, below `high`. */
  range(low: number, high: number): number {
    return low + this.unit() * (high - low)
  }

  /** At least 3/4 and below 5/4 of the mean, so that the timers of different nodes do not fire together. */
  jitter(mean: number): number {
    return this.range(0.75 * mean, 1.25 * mean)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(Math.max(1, items.length))]
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const swap = items[i] as T
      items[i] = items[j] as T
      items[j] = swap
    }
    return items
  }

  /** Up to `count` items at different indexes, in random order. Does not change `items`. */
  sample<T>(items: readonly T[], count: number): T[] {
    const pool = items.slice()
    const chosen = Math.min(count, pool.length)
    for (let i = 0; i < chosen; i++) {
      const j = i + this.below(pool.length - i)
      const swap = pool[i] as T
      pool[i] = pool[j] as T
      pool[j] = swap
    }
    pool.length = chosen
    return pool
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i++) out[i] = this.u32() & 0xff
    return out
  }
}
