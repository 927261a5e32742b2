import { describe, expect, it } from 'vitest'
import { askedOf, hasTag } from '../../../../src/daemon/gateway/range.ts'

const part = (start: number, end: number): object => ({ kind: 'part', span: { start, end } })
const whole = { kind: 'whole' }
const unsatisfiable = { kind: 'unsatisfiable' }

describe('a range of a file of 1,000 bytes', () => {
  it.each([
    ['bytes=0-0', part(0, 1)],
    ['bytes=0-999', part(0, 1_000)],
    ['bytes=500-', part(500, 1_000)],
    ['bytes=999-5000', part(999, 1_000)],
    ['bytes=-1', part(999, 1_000)],
    ['bytes=-1000', part(0, 1_000)],
    ['bytes=-99999999', part(0, 1_000)],
    ['BYTES = 1-2', part(1, 3)],
    ['bytes=007-8', part(7, 9)]
  ])('%s is part of it', (header, asked) => {
    expect(askedOf(header, 1_000)).toEqual(asked)
  })

  it.each(['bytes=1000-', 'bytes=1000-1000', 'bytes=999999999999999-', 'bytes=-0'])('%s is behind the end', header => {
    expect(askedOf(header, 1_000)).toEqual(unsatisfiable)
  })

  it.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=a-b',
    'bytes=0x1-2',
    'bytes=1-2-3',
    'bytes=--5',
    'bytes=+1-2',
    'bytes=1.5-2',
    'bytes=0-1,3-4',
    'items=0-1',
    'bytes=9999999999999999-',
    'bytes=\u0661-\u0662',
    `bytes=${'0'.repeat(100)}-1`
  ])('%s is as if nothing was asked', header => {
    expect(askedOf(header, 1_000)).toEqual(whole)
  })
})

it('of an empty file there is no part', () => {
  expect(askedOf('bytes=0-', 0)).toEqual(unsatisfiable)
  expect(askedOf('bytes=0-0', 0)).toEqual(unsatisfiable)
  expect(askedOf('bytes=-5', 0)).toEqual(whole)
})

it('an entity tag fits itself in a list, and no weak one', () => {
  expect(hasTag('"a", "b" ,"c"', '"b"')).toBe(true)
  expect(hasTag('W/"b"', '"b"')).toBe(false)
  expect(hasTag('"bb"', '"b"')).toBe(false)
})
