import { describe, expect, it } from 'vitest'
import { hex, utf8 } from '../../../../src/base/bytes.ts'
import { BENCODE_DEPTH_MAX, BencodeReader, BencodeWriter } from '../../../../src/wire/bittorrent/bencode.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'

const reader = (text: string): BencodeReader => new BencodeReader(Buffer.from(text, 'latin1'))

function pass(text: string): void {
  const one = reader(text)
  one.skip()
  one.end()
}

describe('reading bencode', () => {
  it('reads the examples of BEP 3', () => {
    expect(reader('i3e').integer()).toBe(3)
    expect(reader('i-3e').integer()).toBe(-3)
    expect(reader('i0e').integer()).toBe(0)
    expect(hex(reader('4:spam').string(4))).toBe('7370616d')
    expect(reader('0:').string(0)).toHaveLength(0)
    const list: string[] = []
    const items = reader('l4:spam4:eggse')
    items.list(() => list.push(Buffer.from(items.string(9)).toString()))
    expect(list).toEqual(['spam', 'eggs'])
    const found = new Map<string, string>()
    const entries = reader('d3:cow3:moo4:spam4:eggse')
    entries.dictionary(key => found.set(Buffer.from(key).toString(), Buffer.from(entries.string(9)).toString()))
    expect([...found]).toEqual([
      ['cow', 'moo'],
      ['spam', 'eggs']
    ])
  })

  it.each([
    ['empty input', '', 'unexpected end'],
    ['a letter', 'x', 'not a value'],
    ['an empty number', 'ie', 'without digits'],
    ['a lone minus', 'i-e', 'without digits'],
    ['minus zero', 'i-0e', 'minus zero'],
    ['a leading zero', 'i03e', 'leading zero'],
    ['a leading zero after a minus', 'i-03e', 'leading zero'],
    ['a plus', 'i+3e', 'not a digit'],
    ['a space', 'i 3e', 'not a digit'],
    ['an integer without its end', 'i3', 'unexpected end'],
    ['a number of many digits', `i${'9'.repeat(21)}e`, 'too many digits'],
    ['a length with a leading zero', '04:spam', 'leading zero'],
    ['a negative length', '-1:a', 'not a value'],
    ['a truncated string', '5:spam', 'truncated string'],
    ['a length larger than the memory', '999999999999999:a', 'the limit is'],
    ['a length of many digits', '9999999999999999:a', 'too many digits'],
    ['a list without its end', 'l4:spam', 'unexpected end'],
    ['a dictionary without its end', 'd3:cow3:moo', 'unexpected end'],
    ['a key without a value', 'd3:cowe', 'not a value'],
    ['a number as a key', 'di1ei2ee', 'expected string'],
    ['keys out of order', 'd1:bi1e1:ai2ee', 'out of order'],
    ['a key before its own prefix', 'd2:aai1e1:ai2ee', 'out of order'],
    ['a duplicate key', 'd1:ai1e1:ai2ee', 'duplicate'],
    ['an end without a start', 'e', 'not a value'],
    ['trailing bytes', 'i1ei2e', 'trailing bytes'],
    ['an invalid nested value', 'd1:ald1:bi00eeee', 'leading zero']
  ])('refuses %s', (_what, text, why) => {
    expect(() => {
      pass(text)
    }).toThrow(DecodeError)
    expect(() => {
      pass(text)
    }).toThrow(why)
  })

  it('skips numbers of 64 bits, and reads only safe integers', () => {
    pass('i18446744073709551615e')
    expect(reader(`i${Number.MAX_SAFE_INTEGER}e`).integer()).toBe(Number.MAX_SAFE_INTEGER)
    expect(reader(`i-${Number.MAX_SAFE_INTEGER}e`).integer()).toBe(-Number.MAX_SAFE_INTEGER)
    expect(() => reader(`i${2 ** 53}e`).integer()).toThrow('over 2^53')
  })

  it('refuses a value of another kind, and a string over the limit', () => {
    expect(() => reader('1:a').integer()).toThrow('expected integer, found string')
    expect(() => reader('i1e').string(1)).toThrow('expected string, found integer')
    expect(() => reader('5:abcde').string(4)).toThrow('the limit is 4')
  })

  it(`accepts ${BENCODE_DEPTH_MAX} levels of nesting and no more`, () => {
    const nested = (depth: number): string => 'l'.repeat(depth) + 'e'.repeat(depth)
    pass(nested(BENCODE_DEPTH_MAX))
    expect(() => {
      pass(nested(BENCODE_DEPTH_MAX + 1))
    }).toThrow(`more than ${BENCODE_DEPTH_MAX} levels`)
    expect(() => {
      pass('d1:a'.repeat(1_000_000))
    }).toThrow(`more than ${BENCODE_DEPTH_MAX} levels`)
  })

  it('counts levels of nesting, not lists and dictionaries', () => {
    pass(`l${'le'.repeat(10 * BENCODE_DEPTH_MAX)}e`)
    pass(`l${'de'.repeat(10 * BENCODE_DEPTH_MAX)}e`)
  })

  it('returns the original bytes of a value', () => {
    const text = 'd1:ad1:xi7ee1:bl1:\xffee'
    const one = reader(text)
    const raws: string[] = []
    one.dictionary(() => raws.push(Buffer.from(one.raw()).toString('latin1')))
    expect(raws).toEqual(['d1:xi7ee', 'l1:\xffe'])
    expect(one.offset).toBe(text.length)
  })
})

describe('writing bencode', () => {
  it('sorts keys by their bytes', () => {
    const writer = new BencodeWriter()
    // U+FF5E is before U+1F3B5 in UTF-8 and after it in UTF-16.
    const keys = ['b', '\u{1f3b5}', '\uff5e', 'ab', 'a', '']
    writer.dictionary(
      keys.map((key, index) => [
        key,
        () => {
          writer.integer(index)
        }
      ])
    )
    expect(Buffer.from(writer.finish()).toString()).toBe('d0:i5e1:ai4e2:abi3e1:bi0e3:\uff5ei2e4:\u{1f3b5}i1ee')
  })

  it('has golden bytes', () => {
    const writer = new BencodeWriter()
    writer.list(() => {
      writer.integer(-42)
      writer.string(Uint8Array.of(0, 255))
      writer.string('é')
      writer.encoded(utf8('le'))
      writer.dictionary([])
    })
    expect(hex(writer.finish())).toBe('6c692d343265323a00ff323ac3a96c65646565')
  })

  it('grows, and its output can be read back', () => {
    const writer = new BencodeWriter()
    const items = Array.from({ length: 5_000 }, (_, i) => `item number ${i}`)
    writer.list(() => {
      for (const item of items) writer.string(item)
    })
    const one = new BencodeReader(writer.finish())
    const back: string[] = []
    one.list(() => back.push(Buffer.from(one.string(100)).toString()))
    one.end()
    expect(back).toEqual(items)
  })

  it('refuses values without an encoding', () => {
    const writer = new BencodeWriter()
    const none = (): void => {
      writer.integer(1)
    }
    expect(() => {
      writer.integer(0.5)
    }).toThrow(RangeError)
    expect(() => {
      writer.integer(2 ** 53)
    }).toThrow(RangeError)
    expect(() => {
      writer.dictionary([
        ['a', none],
        [utf8('a'), none]
      ])
    }).toThrow('duplicate key')
  })
})
