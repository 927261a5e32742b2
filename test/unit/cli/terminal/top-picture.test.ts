import { describe, expect, it } from 'vitest'
import { width } from '../../../../src/cli/terminal/format.ts'
import { barText, topPicture, type Colour } from '../../../../src/cli/terminal/top-picture.ts'
import type { TopMember, TopResult, TopTransfer } from '../../../../src/wire/control/top.ts'

const plain: Colour = (_, text) => text

const member = (name: string, more: Partial<TopMember> = {}): TopMember => ({
  ...{ id: `12D3KooW${name}`, name, state: 'alive', self: false, downBytesPerSecond: 0, upBytesPerSecond: 0 },
  ...more
})
const transfer = (name: string, more: Partial<TopTransfer> = {}): TopTransfer => ({
  ...{ id: 'ab'.repeat(32), name, state: 'fetching', bytes: 1_000, haveBytes: 999, sources: 2 },
  ...{ downBytesPerSecond: 2_048, upBytesPerSecond: 0, cells: new Array<number>(64).fill(4) },
  ...more
})
const result = (more: Partial<TopResult> = {}): TopResult => ({
  ...{ id: '12D3KooWself', name: 'cod', uptimeSeconds: 61, rssBytes: 100 << 20 },
  ...{ downBytesPerSecond: 2_048, upBytesPerSecond: 0, states: { alive: 2, suspect: 0, dead: 1, left: 0 } },
  members: [member('cod', { self: true }), member('eel', { rttMs: 1.25, downBytesPerSecond: 2_048 })],
  transfers: [transfer('photos')],
  more: { members: 0, transfers: 0 },
  ...more
})

describe('a frame of top', () => {
  it('has the node, its transfers with bars, and its members', () => {
    expect(topPicture(result(), { columns: 100, rows: undefined }, plain)).toEqual([
      'cod  up 1 min 1 s, 100 MiB resident',
      'down 2.00 KiB/s  up 0 B/s  members: 2 alive, 1 dead',
      '',
      'TRANSFER          STATE       PIECES                  HAVE        OF         DOWN           UP  FROM',
      'photos            fetching    ▕▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▏    99 %    1000 B   2.00 KiB/s            -     2',
      '',
      'MEMBER                            STATE         PING         DOWN           UP',
      'cod (this)                        alive',
      'eel                               alive       1.3 ms   2.00 KiB/s            -'
    ])
  })

  it.each([20, 34, 50, 70, 79, 80, 100, 132, 250])('is not wider than %d columns', columns => {
    const names = ['photos', '照片'.repeat(40), 'x'.repeat(300)]
    const lines = topPicture(
      result({ members: names.map(name => member(name)), transfers: names.map(name => transfer(name)) }),
      { columns, rows: 40 },
      plain
    )
    expect(lines.filter(line => width(line) > Math.max(columns, 29))).toEqual([])
  })

  it.each([1, 3, 6, 10, 24, 50])('is not higher than %d rows, and says what it leaves out', rows => {
    const members = Array.from({ length: 30 }, (_, at) => member(`m${at}`))
    const transfers = Array.from({ length: 30 }, (_, at) => transfer(`t${at}`))
    const more = { members: 5, transfers: 0 }
    const lines = topPicture(result({ members, transfers, more }), { columns: 80, rows }, plain)
    expect(lines.length).toBeLessThanOrEqual(rows)
    const told = lines.filter(line => /^m\d/.test(line)).length
    if (rows >= 10) expect(lines.at(-1)).toBe(`… ${35 - told} more members`)
  })

  it('gives one list the room that the other does not need', () => {
    const members = Array.from({ length: 12 }, (_, at) => member(`m${at}`))
    const lines = topPicture(result({ members }), { columns: 80, rows: 20 }, plain)
    expect(lines.filter(line => /^m\d/.test(line))).toHaveLength(12)
  })

  it('cannot be written to by a name', () => {
    const evil = '\u001b[2J\u202eevil\n\r\u009b31m'
    const frame = topPicture(
      result({ name: evil, members: [member(evil)], transfers: [transfer(evil), transfer('x', { state: evil })] }),
      { columns: 200, rows: 50 },
      plain
    ).join('')
    // eslint-disable-next-line no-control-regex -- that is what it looks for
    expect(frame).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
  })

  it('says so where there is nothing', () => {
    expect(topPicture(result({ transfers: [] }), { columns: 80, rows: 24 }, plain)).toContain('no transfers')
  })

  it('calls only a whole content 100 %', () => {
    const whole = transfer('w', { haveBytes: 1_000 })
    const lines = topPicture(result({ transfers: [transfer('p'), whole] }), { columns: 80, rows: 24 }, plain)
    expect(lines.filter(line => line.includes('100 %'))).toHaveLength(1)
  })
})

describe('a bar', () => {
  it('is full only where every cell is, and empty only where none has begun', () => {
    expect(barText([8, 8, 8, 7], 4)).toBe('▕█▇▏')
    expect(barText([0, 0, 0, 1], 4)).toBe('▕ ▁▏')
    expect(barText([8, 0], 6)).toBe('▕██  ▏')
  })

  it('is nothing where nothing is known', () => {
    expect(barText([], 10)).toBe('')
  })
})
