import { describe, expect, it } from 'vitest'
import { EXTENSION_CHARS_MAX, KINDS, fitsType, kindOfName, typeOf } from '../../../../src/wire/control/kinds.ts'

describe('the kind of a file', () => {
  it.each([
    ['Film.MKV', 'mkv', 'video'],
    ['a/b.c/song.Flac', 'flac', 'audio'],
    ['scan.ＪＰＧ', 'jpg', 'image'],
    ['backup.tar.gz', 'gz', 'archive'],
    ['notes.txt', 'txt', 'text'],
    ['data.parquet', 'parquet', undefined],
    ['folder.mp4/readme', undefined, undefined],
    ['.mp4', undefined, undefined],
    ['name.', undefined, undefined],
    ['odd.m p4', undefined, undefined],
    [`long.${'x'.repeat(EXTENSION_CHARS_MAX + 1)}`, undefined, undefined],
    ['turned.\u202e4pm', undefined, undefined]
  ])('of %j: extension %s, kind %s', (name, extension, kind) => {
    expect(kindOfName(name)).toEqual({ extension, kind })
  })

  it('is one: no extension stands in two lists', () => {
    for (const kind of KINDS) expect(kindOfName(`x.${kind}`).kind, 'a kind is no extension').toBeUndefined()
    expect(['mp4', 'ts', 'ogg', 'svg', 'img', 'srt'].map(one => kindOfName(`x.${one}`).kind)).toEqual([
      ...['video', 'video', 'audio', 'image', 'archive', 'text']
    ])
  })
})

describe('a type that is asked for', () => {
  it('is a kind or an extension, with or without its dot', () => {
    expect(['video', '.MP4', ' flac ', 'x'.repeat(EXTENSION_CHARS_MAX)].map(typeOf)).toEqual([
      ...['video', 'mp4', 'flac', 'x'.repeat(EXTENSION_CHARS_MAX)]
    ])
    for (const text of ['', '.', 'a b', 'tar.gz', 'a/b', '\0', 'x'.repeat(EXTENSION_CHARS_MAX + 1)]) {
      expect(typeOf(text), JSON.stringify(text)).toBeUndefined()
    }
  })

  it('fits names of that kind or extension only', () => {
    expect(fitsType('a/Film.MKV', 'video')).toBe(true)
    expect(fitsType('a/Film.MKV', 'mkv')).toBe(true)
    expect(fitsType('a/Film.MKV', 'mp4')).toBe(false)
    expect(fitsType('a/Film.MKV', 'audio')).toBe(false)
    expect(fitsType('mkv', 'mkv')).toBe(false)
  })
})
