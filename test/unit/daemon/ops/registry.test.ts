import { describe, expect, it } from 'vitest'
import { METRICS } from '../../../../src/daemon/ops/metrics/all.ts'
import { by, metricsText, type Family } from '../../../../src/daemon/ops/registry.ts'

const counter: Family<number> = {
  name: 'shoal_things_total',
  type: 'counter',
  help: 'Things\nwith a \\.',
  labels: { kind: ['one', 'a "b" \\ c'] },
  read: times => by('kind', { one: times, 'a "b" \\ c': 2 * times })
}

describe('the text of metrics', () => {
  it('has HELP and TYPE, escapes both kinds of text, and reads the source', () => {
    expect(metricsText([counter, { name: 'x', type: 'gauge', help: 'X.', read: times => times / 2 }], 3)).toBe(
      '# HELP shoal_things_total Things\\nwith a \\\\.\n# TYPE shoal_things_total counter\n' +
        'shoal_things_total{kind="one"} 3\nshoal_things_total{kind="a \\"b\\" \\\\ c"} 6\n' +
        '# HELP x X.\n# TYPE x gauge\nx 1.5\n'
    )
  })

  it('puts quantiles, sum and count of a summary under one name', () => {
    const samples = [
      { labels: { quantile: '0.5' }, value: 1 },
      { suffix: '_sum', value: 2 }
    ] as const
    const text = metricsText([{ name: 's', type: 'summary', help: 'S.', read: () => samples }], undefined)
    expect(text.split('\n').slice(2, 4)).toEqual(['s{quantile="0.5"} 1', 's_sum 2'])
  })

  it('refuses a label value that is not in the list', () => {
    const wild = { ...counter, read: () => [{ labels: { kind: 'another' }, value: 1 }] }
    expect(() => metricsText([wild], 1)).toThrow('kind="another"')
    expect(() => metricsText([{ ...wild, labels: {} }], 1)).toThrow('kind="another"')
  })
})

describe('the families', () => {
  it('have names of their own, with the suffix of their type', () => {
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length)
    for (const { name, type } of METRICS) {
      expect(name).toMatch(/^(shoal|process)_[a-z][a-z0-9_]*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
    }
  })

  it('have few series each, whatever the peers do', () => {
    for (const { labels = {} } of METRICS) {
      const series = Object.values(labels).reduce((product, values) => product * values.length, 1)
      expect(series).toBeLessThanOrEqual(16)
    }
  })
})
