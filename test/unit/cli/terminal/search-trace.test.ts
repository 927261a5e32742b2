import { expect, it } from 'vitest'
import { traceText } from '../../../../src/cli/terminal/search-trace.ts'
import type { ReachedRow, SearchAnswer } from '../../../../src/wire/control/methods.ts'

const answer = (reached: ReachedRow[]): SearchAnswer => ({
  ...{ event: 'done', hits: 0, results: [], ended: 'exhausted', answered: 0, others: 3, messages: 5, elapsedMs: 40 },
  reached
})
const row = (id: string, path: string[], more: Partial<ReachedRow> = {}): ReachedRow => ({
  ...{ id, name: `name ${id}`, hops: path.length + 1, results: [], forwarded: 0, path },
  ...more
})

it('shows every node below the one that it was reached by, with the results that it gave', () => {
  const reached = [
    row('me', [], { hops: 0, results: [4] }),
    row('a', [], { forwarded: 2 }),
    row('b', []),
    row('c', ['a'], { results: [1, 3] }),
    row('d', ['a', 'c'], { results: [2] })
  ]
  expect(traceText(answer(reached))).toBe(
    [
      '5 messages sent, 4 other nodes reached in 40 ms',
      'this node  result 4',
      '├─ name a  sent on 2',
      '│  └─ name c  results 1, 3',
      '│     └─ name d  result 2',
      '└─ name b',
      ''
    ].join('\n')
  )
})

it('gives a node that did not tell of itself its place', () => {
  expect(traceText(answer([row('b', ['12D3KooWSilent'])]))).toContain('└─ …oWSilent\n   └─ name b\n')
})

it('cuts long lists, and lets no name command the terminal', () => {
  const results = Array.from({ length: 100 }, (_, at) => at + 1)
  const text = traceText(answer([row('a', [], { name: `\u001b[2J\u202e${'x'.repeat(100)}`, results })]))
  expect(text).toContain('└─ \\u{1b}[2J\\u{202e}x')
  expect(text).toContain(' 12, and 88 more\n')
  expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThan(120)
})
