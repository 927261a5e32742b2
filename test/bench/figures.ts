/** Figures as they are reported: the middle of several runs with the range around it, and tables of them. */

/** What several runs of one thing took, in one unit. */
export interface Figure {
  median: number
  min: number
  max: number
  runs: number[]
}

/** Throws RangeError without values. */
export function figure(runs: readonly number[]): Figure {
  return { median: median(runs), min: Math.min(...runs), max: Math.max(...runs), runs: [...runs] }
}

/** The middle value; of an even number of values the mean of the two in the middle. Throws RangeError without values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (upper === undefined || lower === undefined) throw new RangeError('no values')
  return (lower + upper) / 2
}

/** The value below which `share` of the values lie, or at which: 0.95 of 100 values is the 95th. Throws RangeError without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('no values')
  return value
}

/** The median of the ratios of runs that took place in turn: what slowed the machine slowed both of a pair. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  const pairs = Math.min(ours.length, theirs.length)
  return median(Array.from({ length: pairs }, (_, i) => (ours[i] ?? Number.NaN) / (theirs[i] ?? Number.NaN)))
}

/** `4.02 (3.90–4.51)`; one run alone has no range. */
export function reported({ median: middle, min, max, runs }: Figure, digits = 2): string {
  if (runs.length === 1) return middle.toFixed(digits)
  return `${middle.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

/** Columns as wide as their widest cell; the first one to the left, the others to the right. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map(line => (line[column] ?? '').length)))
  const drawn = lines.map(line =>
    widths
      .map((width, column) => (column === 0 ? (line[0] ?? '').padEnd(width) : (line[column] ?? '').padStart(width)))
      .join('   ')
      .trimEnd()
  )
  drawn.splice(1, 0, widths.map(width => '-'.repeat(width)).join('   '))
  return drawn.map(line => `  ${line}`).join('\n')
}
