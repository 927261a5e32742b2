import { expect, it, vi, onTestFinished } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import { Output, type Mode } from '../../../../src/cli/terminal/output.ts'

function outputTo(mode: Mode, isTTY: boolean) {
  const said = { stdout: '', stderr: '' }
  const sink = (name: 'stdout' | 'stderr') => ({
    isTTY,
    columns: 20,
    write: (text: string) => {
      said[name] += text
    }
  })
  const output = new Output({ stdout: sink('stdout'), stderr: sink('stderr'), mode, env: { TERM: 'xterm' } })
  return { output, said }
}

it('redraws progress at most ten times a second on a terminal', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { output, said } = outputTo('text', true)
  for (let ms = 0; ms < 1000; ms += 10) {
    output.progress(() => `${ms}`)
    vi.advanceTimersByTime(10)
  }
  expect(said.stderr.split('\r')).toHaveLength(11)
  output.note('done')
  expect(said.stderr.endsWith('900\r\u001b[Kdone\n')).toBe(true)
})

it('prints progress every five seconds where nothing can be redrawn', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { output, said } = outputTo('json', false)
  for (let ms = 0; ms < 11_000; ms += 100) {
    output.progress(() => `${ms}`)
    vi.advanceTimersByTime(100)
  }
  expect(said).toEqual({ stdout: '', stderr: '0\n5000\n10000\n' })
})

it('draws a frame over the last one on a terminal only', () => {
  const answer = { json: {}, text: () => 'text\n', ids: () => [] }
  const terminal = outputTo('text', true)
  terminal.output.frame(answer)
  const pipe = outputTo('text', false)
  pipe.output.frame(answer)
  const json = outputTo('json', true)
  json.output.frame(answer)
  expect([terminal, pipe, json].map(({ said }) => said.stdout)).toEqual([
    '\u001b[H\u001b[Jtext\n',
    'text\n',
    '{"v":1}\n'
  ])
})

it('keeps quiet with -q, but for ids and errors', () => {
  const { output, said } = outputTo('quiet', false)
  output.note('note')
  output.progress(() => 'progress')
  output.event({ event: 'x' })
  output.answer({ json: {}, text: () => 'text', ids: () => ['1', '2'] })
  output.error(new ShoalError('usage', 'no\nway'))
  expect(said).toEqual({ stdout: '1\n2\n', stderr: 'shoal: no\\nway\n' })
})

it('draws lines in place of those before, cut to the screen, and the answer in place of them', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { output, said } = outputTo('text', true)
  output.draw(() => ['never seen'])
  output.draw(() => ['a', 'b'.repeat(30)])
  expect(said.stdout).toBe('')
  vi.advanceTimersByTime(10)
  expect(said.stdout).toBe(`a\n${'b'.repeat(18)}…\n`)
  output.draw(() => Array.from({ length: 30 }, (_, at) => `${at}`))
  vi.advanceTimersByTime(99)
  expect(said.stdout).not.toContain('21')
  vi.advanceTimersByTime(1)
  const drawn = said.stdout.split('\u001b[2A\r\u001b[J')[1] ?? ''
  expect(drawn.split('\n').slice(-3)).toEqual(['21', '… and 8 more', ''])
  output.draw(() => ['too late'])
  output.answer({ json: {}, text: () => 'answer\n', ids: () => [] })
  expect(said.stdout.endsWith('\u001b[23A\r\u001b[Janswer\n')).toBe(true)
  vi.advanceTimersByTime(1_000)
  output.answer({ json: {}, text: () => 'and another\n', ids: () => [] })
  expect(said.stdout.endsWith('answer\nand another\n')).toBe(true)
})

it.each([
  ['text', false],
  ['json', true],
  ['quiet', true]
] as const)('draws nothing in mode %s with a terminal: %s', (mode, isTTY) => {
  const { output, said } = outputTo(mode, isTTY)
  output.draw(() => {
    throw new Error('nobody sees it')
  })
  expect([said.stdout, output.redraws]).toEqual(['', false])
})

it('writes JSON that cannot command a terminal, answers, events and errors alike', () => {
  const { output, said } = outputTo('json', true)
  const name = '\u001b[2J\u009b\u202e'
  output.answer({ json: { name }, text: () => '', ids: () => [] })
  output.event({ name })
  output.error(new ShoalError('usage', name))
  expect(said.stdout.match(/\\u001b\[2J\\u009b\\u202e/g)).toHaveLength(3)
  // eslint-disable-next-line no-control-regex -- that is what must not be there
  expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\p{Cf}]/u.test(said.stdout)).toBe(false)
})
