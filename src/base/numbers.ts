/** Minimum and maximum of lists of any length. Math.max(...list) overflows the stack at about 125,000 numbers. */

/** The greatest of `least` and the numbers. */
export function greatest(least: number, numbers: Iterable<number>): number {
  let most = least
  for (const number of numbers) most = Math.max(most, number)
  return most
}

/** The smallest of the numbers; Infinity when there are none. */
export function smallest(numbers: Iterable<number>): number {
  let least = Infinity
  for (const number of numbers) least = Math.min(least, number)
  return least
}
