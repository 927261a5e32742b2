/** Which scenario gets which seeds. */

export interface Job {
  readonly scenario: string
  readonly seed: number
}

/**
 * `count` jobs over the scenarios by their shares, taking turns; every scenario counts its seeds from `from`. The first
 * jobs of a longer deal are the jobs of a shorter one.
 */
export function deal(scenarios: ReadonlyArray<{ name: string; share: number }>, count: number, from: number): Job[] {
  const turns = scenarios.map(({ name, share }) => ({ name, share, dealt: 0 }))
  return Array.from({ length: count }, () => {
    // Whoever would be least served for its share after one more.
    const next = turns.reduce((a, b) => ((b.dealt + 1) / b.share < (a.dealt + 1) / a.share ? b : a))
    return { scenario: next.name, seed: from + next.dealt++ }
  })
}
