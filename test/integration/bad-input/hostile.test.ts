/** Manifests and names that a hostile member, or the author of a .torrent, made to do harm. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { start } from '../cli/shoal.ts'
import { Cluster, type Daemon } from '../cluster.ts'
import { makeFile } from '../content.ts'
import { expectRefusal } from './refusal.ts'

type Bencoded = Buffer | number | Array<[key: Buffer, value: Bencoded]>

/** Dictionaries are written as they stand: in any order, with a key as often as it is given. */
function bencode(value: Bencoded): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  const parts = value.flatMap(([key, one]) => [bencode(key), bencode(one)])
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')])
}

const dictionary = (...entries: Array<[key: string, value: Bencoded]>): Array<[Buffer, Bencoded]> =>
  entries.map(([key, value]) => [Buffer.from(key), value])
const file = (length = 10): Bencoded =>
  dictionary(['', dictionary(['length', length], ['pieces root', Buffer.alloc(32, 7)])])

function info(tree: Array<[Buffer, Bencoded]>, { name = 'harmless', pieceLength = 16_384 } = {}): Buffer {
  const fields = dictionary(['file tree', tree], ['meta version', 2], ['name', Buffer.from(name)])
  return bencode([...fields, ...dictionary(['piece length', pieceLength])])
}

const hostile: Array<[claim: string, info: Buffer, says: RegExp]> = [
  ['a file called ..', info(dictionary(['..', file()])), /"\.\."/],
  ['a file called .', info(dictionary(['.', file()])), /"\."/],
  ['a folder called ..', info(dictionary(['..', dictionary(['x', file()])])), /"\.\."/],
  ['an absolute path', info(dictionary(['/etc/passwd', file()])), /separator|"\/etc\/passwd"/],
  ['a path in a name', info(dictionary(['a/../../b', file()])), /separator|a\/\.\./],
  ['a NUL in a name', info(dictionary(['a\0b', file()])), /NUL/],
  ['an empty name of a folder', info(dictionary(['a', dictionary(['', dictionary(['', file()])])])), /./],
  ['a name twice', info(dictionary(['a', file()], ['a', file()])), /duplicate key/],
  ['itself called ..', info(dictionary(['a', file()]), { name: '..' }), /"\.\."/],
  ['itself called by a path', info(dictionary(['a', file()]), { name: '/etc' }), /./],
  ['a name that is not UTF-8', info([[Buffer.from([0xff, 0xfe]), file()]]), /UTF-8/],
  ['a million pieces in 200 bytes', info(dictionary(['a', file(2 ** 34)])), /1048576 pieces \(the limit/],
  ['pieces of 0 bytes', info(dictionary(['a', file()]), { pieceLength: 0 }), /piece length of 0/],
  ['a length below nothing', info(dictionary(['a', file(-1)])), /./],
  ['a thousand folders inside one another', info(nested(1_000)), /more than \d+ levels/]
]

function nested(depth: number): Array<[Buffer, Bencoded]> {
  let tree = dictionary(['a', file()])
  for (let i = 0; i < depth; i++) tree = dictionary(['a', tree])
  return tree
}

const idOf = (raw: Buffer): string => createHash('sha256').update(raw).digest('hex')

const EVIL_FOLDER = '\u001b[31mred\n\u202eevil'
const EVIL_FILE = 'a\u001b]0;title\u0007\r\u200fb'
const EVIL_NODE = '\u001b[2Jcod\n\u202e'
const HARMLESS = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u

let cluster: Cluster
let reader: Daemon
let folder: string

beforeAll(async () => {
  cluster = await Cluster.start(1)
  reader = cluster.node(1)
  folder = cluster.folder('dictionaries')
  fs.mkdirSync(folder)
  for (const [, raw] of hostile) fs.writeFileSync(path.join(folder, idOf(raw)), raw)
  fs.mkdirSync(cluster.folder('wrong'))
  fs.writeFileSync(cluster.folder(`wrong/${'f'.repeat(64)}`), info(dictionary(['a', file()])))
  await cluster.join('n2', { peer: ['--dictionaries', folder] })
  await cluster.join('evil', { peer: ['--called', EVIL_NODE] })
  await cluster.converged()
  makeFile(path.join(cluster.folder(EVIL_FOLDER), EVIL_FILE), 1_000)
  await cluster.node(3).ask('share', { paths: [cluster.folder(EVIL_FOLDER)] })
})
afterAll(() => cluster.close())

const shoal = (...words: string[]) => start({ args: ['--home', reader.home, ...words], cwd: cluster.root }).ended

async function expectNothingKept(): Promise<void> {
  expect(fs.existsSync(cluster.folder('out'))).toBe(false)
  const { transfers } = await reader.ask('status', {})
  // That it failed is remembered, and nothing else of it.
  expect(transfers.filter(({ state }) => state !== 'failed')).toEqual([])
}

describe('a manifest is refused, nothing is on the disk and the daemon lives on, for', () => {
  it.each(hostile)('%s, in a .torrent file', async (_claim, raw, says) => {
    const torrent = cluster.folder('hostile.torrent')
    fs.writeFileSync(torrent, Buffer.concat([Buffer.from('d4:info'), raw, Buffer.from('e')]))
    expectRefusal(await shoal('get', torrent, '-o', 'out'), {
      status: 1,
      // Invalid bencode is reported in the same way as a truncated file.
      says: new RegExp(`(invalid manifest|this is not a \\.torrent file, or it is truncated): .*(${says.source})`),
      next: /Its author must create it|Get the file again/
    })
    await expectNothingKept()
  })

  it('the same from a member that serves it under its true ID; who does so twice is banned, and that is said', async () => {
    const [first, second, third] = hostile.map(([, raw]) => idOf(raw))
    for (const id of [first!, second!]) {
      expectRefusal(await shoal('get', id, '-o', 'out'), {
        status: 1,
        says: /invalid manifest: /,
        next: /Its author must create it/
      })
      await expectNothingKept()
    }
    const banned = {
      status: 12,
      says: /every holder of [0-9a-f]{64} is banned/,
      next: /`shoal status` names them/
    } as const
    expectRefusal(await shoal('get', third!, '-o', 'out'), banned)
    expect(fs.existsSync(cluster.folder('out'))).toBe(false)
    expect(await shoal('rm', third!, '--yes')).toMatchObject({ status: 0 })
  })
})

it('a manifest of another content bans the member that sent it: 12', async () => {
  await cluster.join('n3', { peer: ['--dictionaries', cluster.folder('wrong')] })
  await cluster.converged()
  const banned = { status: 12, says: /every holder of f{64} is banned/, next: /`shoal status` names them/ } as const
  expectRefusal(await shoal('get', 'f'.repeat(64), '-o', 'out'), banned)
  const { banned: all } = await reader.ask('status', {})
  expect(all.find(({ name }) => name === 'n3')).toMatchObject({ content: 'f'.repeat(64), reason: 'bad-manifest' })
})

describe('names that command a terminal are shown harmlessly by', () => {
  const commands = [
    ['members'],
    ['ls', '--all'],
    ['ls', EVIL_FOLDER],
    ['get', EVIL_FOLDER, '-o', 'fetched'],
    ['ls'],
    ['status'],
    ['ring'],
    ['ring', 'lookup', 'x', '--trace'],
    ['get', `${EVIL_FOLDER}${EVIL_FILE}`],
    ['share', `${EVIL_FOLDER}${EVIL_FILE}`]
  ]
  it.each(commands)('%s', async (...words) => {
    const { stdout, stderr } = await shoal(...words)
    expect(`${stdout}${stderr}`).not.toBe('')
    for (const line of `${stdout}${stderr}`.split('\n')) expect(line).toMatch(HARMLESS)
  })

  it('the log in the foreground and the answer of --json, where they are escaped', async () => {
    const { stdout } = await shoal('--json', 'members')
    expect(stdout).toMatch(/^\{.*\\u001b\[2Jcod\\n.*\}\n$/)
  })

  it('the disk has them as they are', () => {
    expect(fs.readdirSync(cluster.folder(`fetched/${EVIL_FOLDER}`))).toEqual([EVIL_FILE])
  })
})
