import { describe, expect, it } from 'vitest'
import { homeFolder, isHomeMethod, parseHomeParams } from '../../../../src/wire/control/home.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import { errorText, jsonText, escapeForTerminal } from '../../../../src/wire/control/text.ts'

describe('a name in a terminal', () => {
  it.each([
    ['\u001b[2J', '\\u{1b}[2J'],
    ['a\nb\rc\td', 'a\\nb\\rc\\td'],
    ['\u0000\u007f\u0085\u009b', '\\u{0}\\u{7f}\\u{85}\\u{9b}'],
    ['\u202egpj.exe', '\\u{202e}gpj.exe'],
    ['\u2066\u2069\u200f\u061c', '\\u{2066}\\u{2069}\\u{200f}\\u{61c}'],
    ['\u2028\u2029\ufeff\u200b', '\\u{2028}\\u{2029}\\u{feff}\\u{200b}'],
    ['\u{e0041}\ud800', '\\u{e0041}\\u{d800}'],
    ['naïve 鱼 🐟 \u05d0', 'naïve 鱼 🐟 \u05d0']
  ])('%j is %j', (name, text) => {
    expect(escapeForTerminal(name)).toBe(text)
  })

  it.each(['\u001b[2J', '\u202egpj.exe', '\u009b31m', '\u{e0041}x', '\u2028', '\ud800', '鱼 "\\" 🐟', '<b>&amp;'])(
    'stays the same value in JSON, which cannot command a terminal either: %j',
    name => {
      const text = jsonText({ name, list: [name] })
      expect(JSON.parse(text)).toEqual({ name, list: [name] })
      expect(escapeForTerminal(text)).toBe(text)
    }
  )

  it('does not break out of an error line', () => {
    expect(errorText(new ShoalError('usage', 'no "a\nb"', { hint: 'c\u001bd' }))).toBe(
      'shoal: no "a\\nb"\n  c\\u{1b}d\n'
    )
  })
})

describe('a home', () => {
  it.each([
    [{ flag: '/f', env: { SHOAL_HOME: '/s', HOME: '/h' } }, '/f'],
    [{ flag: undefined, env: { SHOAL_HOME: '/s', XDG_DATA_HOME: '/x' } }, '/s'],
    [{ flag: undefined, env: { SHOAL_HOME: '', XDG_DATA_HOME: '/x', HOME: '/h' } }, '/x/shoal'],
    [{ flag: undefined, env: { XDG_DATA_HOME: 'x', HOME: '/h' } }, '/h/.local/share/shoal']
  ])('of %j is %s', (from, folder) => {
    expect(homeFolder(from)).toBe(folder)
  })

  it('needs a HOME or a name', () => {
    expect(() => homeFolder({ flag: undefined, env: {} })).toThrow(ShoalError)
    expect(() => homeFolder({ flag: '', env: { HOME: '/h' } })).toThrow(ShoalError)
  })

  it.each([
    ['init', { nam: 'x' }],
    ['init', { name: 7 }],
    ['join', {}],
    ['join', null],
    ['config.set', { value: 'x' }],
    ['leave', { toString: 'x' }]
  ] as const)('refuses %s %j', (method, params) => {
    expect(() => parseHomeParams(method, params)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it('has methods, and no others', () => {
    expect([isHomeMethod('config.get'), isHomeMethod('toString'), isHomeMethod('hello')]).toEqual([true, false, false])
  })
})
