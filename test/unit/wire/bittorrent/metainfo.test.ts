import { describe, expect, it } from 'vitest'
import { concat, hex, sha256Hex, utf8 } from '../../../../src/base/bytes.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import { FILES_MAX, LEAF_BYTES, PIECE_LENGTH_BYTES_MAX } from '../../../../src/wire/bittorrent/layout.ts'
import {
  FURTHER_PIECES_MAX,
  INFO_BYTES_MAX,
  buildInfo,
  fileKey,
  folderPathOf,
  parseInfo,
  pathOf,
  rootOf,
  type Manifest,
  type TreeNode
} from '../../../../src/wire/bittorrent/metainfo.ts'
import { PATH_BYTES_MAX, PATH_DEPTH_MAX } from '../../../../src/wire/bittorrent/paths.ts'
import { parseTorrent } from '../../../../src/wire/bittorrent/torrent.ts'
import { cases, torrentOf } from '../../../fixtures/torrents/cases.ts'

const ROOT = 'r'.repeat(32)

/** Bencode as text, one character per byte. */
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
const str = (text: string): string => `${text.length}:${text}`
const leafFile = (length: number | string, root = ROOT, attr?: string): string =>
  `d0:d${attr === undefined ? '' : `4:attr${str(attr)}`}6:lengthi${length}e${root === '' ? '' : `11:pieces root${str(root)}`}ee`
const info = (
  tree: string,
  fields: { version?: string; name?: string; pieceLength?: number | string } = {}
): Uint8Array => {
  const { version = '12:meta versioni2e', name = 'top', pieceLength = LEAF_BYTES } = fields
  return latin1(`d9:file tree${tree}${version}4:name${str(name)}12:piece lengthi${pieceLength}ee`)
}
const one = (name: string, file = leafFile(1)): string => `d${str(name)}${file}e`

function refusal(raw: Uint8Array): string {
  try {
    parseInfo(raw)
  } catch (error) {
    expect(error).toBeInstanceOf(ShoalError)
    expect(error).toMatchObject({ code: 'bad-input', hint: expect.stringMatching(/^.+\.$/) as string })
    const { message } = error as ShoalError
    expect(message).not.toContain('\n')
    return message
  }
  return 'let in'
}

const paths = (manifest: Manifest): string[] => manifest.files.map(file => pathOf(file).join('/'))

describe("libtorrent's manifests", () => {
  it.each(cases.filter(({ kind }) => kind !== 'v1'))('$torrent lists the files of the torrent', example => {
    const { manifest } = parseTorrent(torrentOf(example))
    expect(manifest.contentId).toBe(example.contentId)
    expect(manifest.name).toBe(example.files[0]?.path[0])
    expect(manifest.pieceLengthBytes).toBe(example.pieceLengthBytes)
    const single = example.files[0]?.path.length === 1
    expect(manifest.singleFile).toBe(single)
    const found = manifest.files.map(file => ({
      path: pathOf(file),
      length: file.lengthBytes,
      executable: file.executable
    }))
    const there = example.files.map(({ path, length, executable }) => ({
      path: single ? path : path.slice(1),
      length,
      executable
    }))
    const byPath = (a: { path: readonly string[] }, b: { path: readonly string[] }): number =>
      a.path.join('/') < b.path.join('/') ? -1 : 1
    expect(found.sort(byPath)).toEqual(there.sort(byPath))
    expect(manifest.layout.bytes).toBe(there.reduce((sum, file) => sum + file.length, 0))
  })

  it.each(cases.filter(({ kind }) => kind === 'v2'))('$torrent is encoded to the same bytes', example => {
    const { manifest } = parseTorrent(torrentOf(example))
    expect(hex(buildInfo(treeOf(manifest), manifest.pieceLengthBytes))).toBe(hex(manifest.raw))
  })

  it('of v1 are refused with an error that names v1', () => {
    const example = cases.find(({ kind }) => kind === 'v1')!
    expect(() => parseTorrent(torrentOf(example))).toThrow(
      'this is a BitTorrent v1 torrent, and v2 or a hybrid is required'
    )
  })
})

/** The tree that a manifest describes. */
function treeOf(manifest: Manifest): TreeNode {
  interface Folder {
    kind: 'folder'
    name: string
    children: TreeNode[]
  }
  const top: Folder = { kind: 'folder', name: manifest.name, children: [] }
  const folderAt = (names: readonly string[]): Folder =>
    names.reduce((folder, name) => {
      const there = folder.children.find((child): child is Folder => child.kind === 'folder' && child.name === name)
      if (there !== undefined) return there
      const made: Folder = { kind: 'folder', name, children: [] }
      folder.children.push(made)
      return made
    }, top)
  for (const file of manifest.files) {
    const { name, lengthBytes, executable } = file
    folderAt(folderPathOf(file.folder)).children.push({
      kind: 'file',
      name,
      lengthBytes,
      executable,
      root: rootOf(manifest, file)
    })
  }
  for (const folder of manifest.emptyFolders) folderAt(folderPathOf(folder))
  return top
}

describe('a manifest', () => {
  it('has the files, folders and lengths of its bytes', () => {
    const tree = `d1:ad1:b${leafFile(0, '')}1:cdee1:d${leafFile(LEAF_BYTES + 1, ROOT, 'hx')}e`
    const raw = info(tree)
    const manifest = parseInfo(raw)
    expect(manifest.raw).toBe(raw)
    expect(manifest.contentId).toBe(sha256Hex(raw))
    expect(paths(manifest)).toEqual(['a/b', 'd'])
    expect(manifest.emptyFolders.map(folderPathOf)).toEqual([['a', 'c']])
    expect(manifest.files.map(file => file.executable)).toEqual([false, true])
    expect(manifest.files.map(file => rootOf(manifest, file))).toEqual([undefined, latin1(ROOT)])
    expect(manifest.layout.fileLengths).toEqual([0, LEAF_BYTES + 1])
    expect(manifest.layout.pieces).toBe(2)
  })

  it('is a single file only when its only entry is a file with the name of the content', () => {
    expect(parseInfo(info(one('top'))).singleFile).toBe(true)
    expect(parseInfo(info(one('pot'))).singleFile).toBe(false)
    expect(parseInfo(info('d3:topd3:top' + leafFile(1) + 'ee')).singleFile).toBe(false)
    expect(parseInfo(info(`d3:top${leafFile(1)}4:zerodee`)).singleFile).toBe(false)
  })

  it('keeps names unchanged: composed, decomposed, with any character', () => {
    const children = ['e\u0301', '\u00e9', 'a\\b', '\ufeff', '文件', '🎵'].map((name): TreeNode => ({
      kind: 'file',
      name,
      lengthBytes: 0,
      executable: false,
      root: undefined
    }))
    const manifest = parseInfo(buildInfo({ kind: 'folder', name: '分享', children }, LEAF_BYTES))
    expect(new Set(paths(manifest))).toEqual(new Set(children.map(child => child.name)))
    expect(manifest.name).toBe('分享')
  })

  it('encodes empty folders as empty dictionaries', () => {
    const raw = buildInfo(
      { kind: 'folder', name: 'n', children: [{ kind: 'folder', name: 'e', children: [] }] },
      LEAF_BYTES
    )
    expect(Buffer.from(raw).toString()).toBe('d9:file treed1:edee12:meta versioni2e4:name1:n12:piece lengthi16384ee')
    expect(parseInfo(raw).emptyFolders.map(folderPathOf)).toEqual([['e']])
  })

  it('has golden bytes for an executable file', () => {
    const root = latin1(ROOT)
    const raw = buildInfo({ kind: 'file', name: 'x', lengthBytes: 7, executable: true, root }, 32_768)
    const file = `d0:d4:attr1:x6:lengthi7e11:pieces root32:${ROOT}ee`
    expect(Buffer.from(raw).toString()).toBe(
      `d9:file treed1:x${file}e12:meta versioni2e4:name1:x12:piece lengthi32768ee`
    )
    expect(parseInfo(raw).singleFile).toBe(true)
  })

  it('leaves out symlinks and padding files, and counts them', () => {
    const link = 'd0:d4:attr1:l12:symlink pathl2:..4:evileee'
    const manifest = parseInfo(info(`d1:a${link}1:b${leafFile(5, '', 'p')}1:c${leafFile(1)}e`))
    expect(paths(manifest)).toEqual(['c'])
    expect(manifest.skipped).toEqual({ symlinks: 1, paddingFiles: 1 })
  })

  it('ignores unknown fields', () => {
    const raw = latin1(
      `d9:file treed1:ad0:d6:lengthi1e5:mtimei5e11:pieces root${str(ROOT)}eee` +
        `12:meta versioni2e4:name1:n12:piece lengthi16384e7:privatei1e6:source1:xe`
    )
    expect(paths(parseInfo(raw))).toEqual(['a'])
  })
})

describe('a manifest is refused for', () => {
  it.each([
    ['a name of two dots', info(one('..')), 'the name ".."'],
    ['a name of one dot', info(one('.')), 'the name "."'],
    ['an absolute name', info(one('/etc')), 'a separator'],
    ['a way up inside a name', info(one('a/../b')), 'a separator'],
    ['a NUL', info(one('a\0')), 'a NUL'],
    ['a duplicate name', info(`d1:a${leafFile(1)}1:a${leafFile(1)}e`), 'duplicate key'],
    ['names out of order', info(`d1:b${leafFile(1)}1:a${leafFile(1)}e`), 'out of order'],
    ['a name that is not UTF-8', info(one('\xff')), 'not UTF-8'],
    ['a name over 255 bytes', info(one('n'.repeat(256))), '256 bytes'],
    ['an invalid name of a folder', info('d2:..d1:a' + leafFile(1) + 'ee'), 'the name ".."'],
    ['an invalid name of the content', info(one('a'), { name: '../up' }), 'a separator'],
    ['an empty name of the content', info(one('a'), { name: '' }), 'an empty name'],
    ['a file at the top without a name', info(leafFile(1)), 'an empty name'],
    [
      'an entry that is a file and a folder',
      info(`d1:ad0:d6:lengthi0ee1:b${leafFile(1)}ee`),
      '"a" is a file and a folder'
    ],
    ['no length', info(`d1:ad0:d11:pieces root${str(ROOT)}eee`), '"a" has no length'],
    ['a length below zero', info(one('a', leafFile(-1))), '"a" has no length'],
    ['a length over 2^53', info(one('a', leafFile('9007199254740992'))), 'over 2^53'],
    ['no root', info(one('a', leafFile(1, ''))), '"a" has no root'],
    ['a root of an empty file', info(one('a', leafFile(0))), 'is empty and has a root'],
    ['a short root', info(one('a', leafFile(1, 'short'))), 'has 5 bytes'],
    ['a long root', info(one('a', leafFile(1, `${ROOT}x`))), 'the limit is 32'],
    ['a million pieces in 200 bytes', info(one('a', leafFile(1_000_000 * LEAF_BYTES))), '1000000 pieces'],
    [
      'sizes that add up beyond 2^53',
      info(`d1:a${leafFile(2 ** 53 - 1)}1:b${leafFile(2 ** 53 - 1)}e`),
      'more than 2^53 - 1 bytes'
    ],
    [
      'a piece length that is not a power of two',
      info(one('a'), { pieceLength: 3 * LEAF_BYTES }),
      'not a power of two'
    ],
    ['a piece length below a leaf', info(one('a'), { pieceLength: LEAF_BYTES / 2 }), 'not a power of two'],
    ['a piece length of zero', info(one('a'), { pieceLength: 0 }), 'not a power of two'],
    ['a piece length below zero', info(one('a'), { pieceLength: -LEAF_BYTES }), 'not a power of two'],
    [
      'a piece length over the limit',
      info(one('a'), { pieceLength: 2 * PIECE_LENGTH_BYTES_MAX }),
      'not a power of two'
    ],
    ['another version', info(one('a'), { version: '12:meta versioni3e' }), 'version 3'],
    ['no version', info(one('a'), { version: '' }), 'has no version'],
    ['an empty tree', info('de'), 'has no files'],
    ['a tree of only a symlink', info(one('a', 'd0:d4:attr1:l12:symlink pathl1:beee')), 'has no files'],
    ['no file tree', latin1('d12:meta versioni2e4:name1:n12:piece lengthi16384ee'), 'has no file tree'],
    ['no name', latin1(`d9:file tree${one('a')}12:meta versioni2e12:piece lengthi16384ee`), 'has no name'],
    ['no piece length', latin1(`d9:file tree${one('a')}12:meta versioni2e4:name1:ne`), 'no piece length'],
    ['trailing bytes', concat(info(one('a')), latin1('x')), 'trailing bytes'],
    ['being truncated', info(one('a')).subarray(0, -1), 'unexpected end'],
    ['not being a dictionary', latin1('le'), 'expected dictionary, found list'],
    ['a list as its tree', info('le'), 'expected dictionary, found list'],
    ['attributes that are too long', info(one('a', leafFile(1, ROOT, 'x'.repeat(33)))), 'the limit is 32'],
    ['being v1', latin1('d6:lengthi5e4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae'), 'BitTorrent v1']
  ])('%s', (_what, raw, why) => {
    expect(refusal(raw)).toContain(why)
  })

  const nested = (depth: number, name = 'd'): Uint8Array =>
    info(`d${str(name)}`.repeat(depth - 1) + `d1:f${leafFile(1)}` + 'e'.repeat(depth))

  it('a path that is too deep', () => {
    expect(refusal(nested(PATH_DEPTH_MAX))).toBe('let in')
    expect(refusal(nested(PATH_DEPTH_MAX + 1))).toContain(`more than ${PATH_DEPTH_MAX} names`)
    expect(refusal(nested(100_000))).toContain('more than')
  })

  it('a path that is too long', () => {
    const name = 'n'.repeat(199)
    // The folders and separators fill the limit, and the name of the file exceeds it.
    const fits = PATH_BYTES_MAX / 200
    expect(refusal(nested(fits, name))).toBe('let in')
    expect(refusal(nested(fits + 1, name))).toContain(`more than ${PATH_BYTES_MAX} bytes`)
  })

  it('more pieces than its number of files allows', () => {
    const most = (FURTHER_PIECES_MAX + 1) * LEAF_BYTES
    expect(refusal(info(one('a', leafFile(most))))).toBe('let in')
    expect(refusal(info(one('a', leafFile(most + 1))))).toContain(`${FURTHER_PIECES_MAX + 2} pieces`)
    expect(refusal(info(`d1:a${leafFile(most)}1:b${leafFile(LEAF_BYTES + 1)}e`))).toContain('pieces')
  })

  it('more files and folders than the limit', () => {
    const names = Array.from({ length: FILES_MAX + 1 }, (_, i) => `4:${i.toString(36).padStart(4, '0')}`)
    const many = (count: number, value: string): Uint8Array => info(`d${names.slice(0, count).join(value)}${value}e`)
    expect(refusal(many(FILES_MAX + 1, 'de'))).toContain(`more than ${FILES_MAX} files and folders`)
    expect(refusal(many(FILES_MAX + 1, leafFile(0, '')))).toContain(`more than ${FILES_MAX} files and folders`)
  }, 60_000)

  it('its size', () => {
    expect(refusal(new Uint8Array(INFO_BYTES_MAX + 1))).toContain(`the limit is ${INFO_BYTES_MAX}`)
  })

  it('an invalid name, which the message escapes for the terminal', () => {
    expect(refusal(info(one('\u001b[2J', leafFile(1, ''))))).toBe('invalid manifest: "\\u001b[2J" has no root')
  })
})

describe('the key of a single file', () => {
  it('has a golden value', () => {
    const text = concat(utf8('shoal/file/1\0'), latin1(ROOT), Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 5))
    expect(fileKey(latin1(ROOT), 2 ** 32 + 5)).toBe(sha256Hex(text))
    expect(fileKey(latin1(ROOT), 5)).toBe('bcf8f7ed0d97777a7810bf9aed1f924441a918a6e47f1244c20a157890dd9e76')
  })

  it('depends on the length, which the root does not cover', () => {
    expect(new Set([1, 2, 2 ** 32, 2 ** 32 + 1].map(length => fileKey(latin1(ROOT), length))).size).toBe(4)
  })
})
