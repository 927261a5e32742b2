/**
 * Against libtorrent itself, on trees drawn from a seed: the same ID at the same piece length, chosen or not; its torrents read
 * here, and ours read there. Takes Debian's python3-libtorrent.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { Random } from '../../src/base/random.ts'
import { FolderLeafStore } from '../../src/io/share/leaf-store.ts'
import { scan, type Scanned } from '../../src/io/share/scan.ts'
import { LEAF_BYTES } from '../../src/wire/bittorrent/layout.ts'
import { buildTorrent, hasPieceLayers, parseTorrent } from '../../src/wire/bittorrent/torrent.ts'

const TREES = 24
/** Debian's own Python: it has the package, whatever else comes first in the path. */
const PYTHON = '/usr/bin/python3'

/** One JSON array of requests in, one of answers out. */
const SCRIPT = `
import base64, json, os, sys
import libtorrent as lt

def make(path, piece_length, flags):
    files = lt.file_storage()
    lt.add_files(files, path)
    torrent = lt.create_torrent(files, piece_length, flags)
    lt.set_piece_hashes(torrent, os.path.dirname(path))
    made = torrent.generate()
    info = lt.torrent_info(made)
    return {"id": str(info.info_hashes().v2), "pieceLength": info.piece_length(),
            "torrent": base64.b64encode(lt.bencode(made)).decode()}

def read(torrent):
    info = lt.torrent_info(lt.bdecode(base64.b64decode(torrent)))
    files = info.files()
    kept = [i for i in range(files.num_files()) if not files.file_flags(i) & lt.file_storage.flag_pad_file]
    return {"id": str(info.info_hashes().v2), "v1": info.info_hashes().has_v1(),
            "files": [[files.file_path(i), files.file_size(i)] for i in kept]}

answers = []
for request in json.load(sys.stdin):
    if "path" in request:
        flags = 0 if request["hybrid"] else lt.create_torrent.v2_only
        answers.append(make(request["path"], request["pieceLength"], flags))
    else:
        answers.append(read(request["torrent"]))
json.dump(answers, sys.stdout)
`

interface Made {
  id: string
  pieceLength: number
  torrent: string
}

interface Read {
  id: string
  v1: boolean
  files: Array<[path: string, bytes: number]>
}

type Request = { path: string; pieceLength: number; hybrid: boolean } | { torrent: string }

function libtorrent<T>(requests: readonly Request[]): T[] {
  const run = spawnSync(PYTHON, ['-c', SCRIPT], {
    input: JSON.stringify(requests),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: 'C.UTF-8' }
  })
  if (run.status !== 0) throw new Error(`libtorrent failed: ${run.stderr}`)
  return JSON.parse(run.stdout) as T[]
}

const PARTS = [
  'a',
  'b',
  'B',
  'a b',
  'a.b',
  'a-b',
  'ab',
  '文件',
  'é',
  'e\u0301',
  '🎵',
  '\uff5e',
  'n'.repeat(255),
  '長'.repeat(85)
]

/** Returns the path to share; always at least one byte, which libtorrent insists on, and no empty folder. */
function plant(random: Random, folder: string, pieceLength: number): string {
  const lengths = [0, 1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, pieceLength - 1, pieceLength, pieceLength + 1]
  const name = random.pick(['tree', '樹', 'with space'])!
  const top = path.join(folder, name)
  const put = (target: string, length: number): void => {
    fs.mkdirSync(path.dirname(target), { recursive: true })
    if (fs.existsSync(target)) return
    fs.writeFileSync(target, random.bytes(length), { mode: random.chance(0.3) ? 0o755 : 0o644 })
  }
  if (random.chance(0.15)) {
    put(top, 1 + random.below(3 * pieceLength))
    return top
  }
  put(path.join(top, 'always'), 1 + random.below(5 * pieceLength))
  for (let files = random.below(30); files > 0; files--) {
    const folders = Array.from({ length: random.below(4) }, () => `${random.pick(PARTS)!.slice(0, 80)}.d`)
    const length = random.chance(0.5) ? random.pick(lengths)! : random.below(4 * pieceLength)
    put(path.join(top, ...folders, random.pick(PARTS)!), length)
  }
  return top
}

describe('libtorrent and Shoal', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-interop-'))
  const random = Random.from('libtorrent')
  const trees: Array<{ target: string; pieceLength: number; scanned: Scanned }> = []

  beforeAll(async () => {
    if (spawnSync(PYTHON, ['-c', 'import libtorrent']).status !== 0) {
      throw new Error(`${PYTHON} has no libtorrent: apt-get install -y --no-install-recommends python3-libtorrent`)
    }
    const leaves = await FolderLeafStore.open(path.join(folder, 'leaves'))
    const { signal } = new AbortController()
    for (let tree = 0; tree < TREES; tree++) {
      const pieceLength = LEAF_BYTES << random.below(4)
      const target = plant(random, path.join(folder, `tree${tree}`), pieceLength)
      // Every third leaves the choice of the piece length to either side.
      const chosen = tree % 3 === 0 ? {} : { pieceLengthBytes: pieceLength }
      const scanned = await scan(target, { signal, leaves, ...chosen })
      trees.push({ target, pieceLength: tree % 3 === 0 ? 0 : pieceLength, scanned })
    }
  })

  afterAll(() => {
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it('give every tree the same ID and the same torrent', () => {
    const made = libtorrent<Made>(
      trees.map(({ target, pieceLength }) => ({ path: target, pieceLength, hybrid: false }))
    )
    expect(made).toHaveLength(TREES)
    made.forEach(({ id, pieceLength, torrent }, index) => {
      const { manifest, pieceLayers } = trees[index]!.scanned
      const theirs = parseTorrent(Buffer.from(torrent, 'base64'))
      expect({ index, id: manifest.contentId, pieceLength: manifest.pieceLengthBytes }).toEqual({
        index,
        id,
        pieceLength
      })
      expect(hex(manifest.raw)).toBe(hex(theirs.manifest.raw))
      expect(new Map(pieceLayers)).toEqual(new Map(theirs.pieceLayers))
      expect(hasPieceLayers(theirs.manifest, theirs.pieceLayers)).toBe(true)
    })
  })

  it('agree on the torrents that Shoal writes', () => {
    const ours = trees.map(({ scanned: { manifest, pieceLayers } }) => buildTorrent(manifest.raw, pieceLayers))
    const read = libtorrent<Read>(ours.map(torrent => ({ torrent: Buffer.from(torrent).toString('base64') })))
    read.forEach(({ id, v1, files }, index) => {
      const { manifest } = trees[index]!.scanned
      expect({ id, v1 }).toEqual({ id: manifest.contentId, v1: false })
      expect(files.map(([, bytes]) => bytes)).toEqual(manifest.files.map(file => file.lengthBytes))
    })
  })

  it('agree on the v2 part of a hybrid', () => {
    const made = libtorrent<Made>(trees.map(({ target, pieceLength }) => ({ path: target, pieceLength, hybrid: true })))
    made.forEach(({ id, torrent }, index) => {
      const { manifest } = parseTorrent(Buffer.from(torrent, 'base64'))
      const { scanned } = trees[index]!
      expect(manifest.contentId).toBe(id)
      expect(manifest.files.map(file => file.name)).toEqual(scanned.manifest.files.map(file => file.name))
      expect(manifest.layout.fileLengths).toEqual(scanned.manifest.layout.fileLengths)
    })
  })
})
