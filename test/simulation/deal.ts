/** Distributes seeds over scenarios. */

export interface Job {
  readonly scenario: string
  readonly seed: number
}

/**
 * Distributes `count` jobs over the scenarios in proportion to their shares. Every scenario numbers its seeds from
 * `from`. A longer deal starts with the jobs of a shorter one.
 */
export function deal(scenarios: ReadonlyArray<{ name: string; share: number }>, count: number, from: number): Job[] {
  const turns = scenarios.map(({ name, share }) => ({ name, share, dealt: 0 }))
  return Array.from({ length: count }, () => {
    // Picks the scenario that would have the fewest jobs for its share after one more.
    const next = turns.reduce((a, b) => ((b.dealt + 1) / b.share < (a.dealt + 1) / a.share ? b : a))
    return { scenario: next.name, seed: from + next.dealt++ }
  })
}
