/**
 * Metrics in Prometheus' text format 0.0.4. A family is a line of a table: its name, what it means, and how to read it; all are
 * read when somebody asks, nothing is gathered meanwhile. A label has a fixed list of values, so that the number of series is
 * known before a peer has said a word.
 */
import { assert } from '../../base/assert.ts'

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface Sample {
  /** A value for each label of the family; `quantile` beside them in a summary. */
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
  /** Of a summary. */
  readonly suffix?: '_sum' | '_count'
}

export interface Family<S> {
  /** With its unit and, for counters, `_total` at the end. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'summary'
  readonly help: string
  readonly labels?: Readonly<Record<string, readonly string[]>>
  /** A family without labels may answer its one value. */
  readonly read: (source: S) => number | readonly Sample[]
}

/** The families in their order, each with its HELP and TYPE. */
export function metricsText<S>(families: ReadonlyArray<Family<S>>, source: S): string {
  return families.map(family => familyText(family, source)).join('')
}

function familyText<S>(family: Family<S>, source: S): string {
  const { name, type, help } = family
  const read = family.read(source)
  const samples: readonly Sample[] = typeof read === 'number' ? [{ value: read }] : read
  const lines = samples.map(sample => `${name}${sample.suffix ?? ''}${labelText(family, sample)} ${sample.value}\n`)
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function labelText<S>({ name, type, labels: known = {} }: Family<S>, { labels = {} }: Sample): string {
  const pairs = Object.entries(labels)
  if (pairs.length === 0) return ''
  for (const [label, value] of pairs) {
    const isQuantile = type === 'summary' && label === 'quantile'
    assert(isQuantile || known[label]?.includes(value) === true, `${name} knows ${label}="${value}"`)
  }
  return `{${pairs.map(([label, value]) => `${label}="${escaped(value).replaceAll('"', '\\"')}"`).join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** A sample for each entry, under one label. */
export function by(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}
