import { describe, expect, it } from 'vitest'
import { Naming } from '../../../../../src/io/store/files/names.ts'
import { makeContent } from '../contents.ts'

const one = { bytes: Uint8Array.of(1) }
const plain = { foldsCase: false, rename: false }

describe('names in the target', () => {
  it('are those of the content', () => {
    const naming = new Naming(makeContent('top', { 'a/B': one, 'a/b': one, 'e/': null }).manifest, plain)
    expect([naming.final(0), naming.final(1), naming.emptyFolder(0)]).toEqual([['a', 'B'], ['a', 'b'], ['e']])
  })

  it('that differ only by case are refused on a case-insensitive file system, or always renamed alike', () => {
    const { manifest } = makeContent('top', { 'a/B': one, 'A/b': one, c: one })
    expect(() => new Naming(manifest, { foldsCase: true, rename: false })).toThrow(
      expect.objectContaining({ code: 'conflict', hint: expect.stringContaining('--rename') as string }) as Error
    )
    const names = [0, 1, 2].map(file => new Naming(manifest, { foldsCase: true, rename: true }).final(file))
    expect(names[0]).toEqual(['A', 'b'])
    expect(names[1]?.[1]).toMatch(/^B~[0-9a-f]{8}$/)
    expect([0, 1, 2].map(file => new Naming(manifest, { foldsCase: true, rename: true }).final(file))).toEqual(names)
  })

  it('that FAT refuses are renamed with rename', () => {
    const naming = new Naming(makeContent('top', { 'a:b?': one, 'dot.': one }).manifest, {
      foldsCase: false,
      rename: true
    })
    expect(naming.final(0)[0]).toMatch(/^a_b_~[0-9a-f]{8}$/)
    expect(naming.final(1)[0]).toMatch(/^dot_~[0-9a-f]{8}$/)
  })

  it('of unfinished files differ from all files of the content, and fit into 255 bytes', () => {
    const long = 'é'.repeat(127)
    const naming = new Naming(makeContent('top', { x: one, 'x.part': one, [long]: one, 'd/x': one }).manifest, plain)
    expect(naming.part(['x'], 'x')).toMatch(/^x~[0-9a-f]{8}\.part$/)
    expect(naming.part(['d', 'x'], 'x')).toBe('x.part')
    const part = naming.part([long], long)
    expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255)
    expect(part).toMatch(/^é+~[0-9a-f]{8}\.part$/)
  })
})
