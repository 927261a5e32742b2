/** Zipf's law: draws rank r (from 1) with a probability proportional to r^-exponent. */
import type { Random } from '../../../src/base/random.ts'

export class Zipf {
  private readonly cumulative: Float64Array

  constructor(count: number, exponent: number) {
    this.cumulative = new Float64Array(count)
    let sum = 0
    for (let rank = 1; rank <= count; rank++) this.cumulative[rank - 1] = sum += Math.pow(rank, -exponent)
  }

  /** Draws an index, 0 for the most popular rank. */
  draw(random: Random): number {
    const { cumulative } = this
    const at = random.unit() * cumulative[cumulative.length - 1]!
    let low = 0
    let high = cumulative.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle]! > at) high = middle
      else low = middle + 1
    }
    return low
  }
}
