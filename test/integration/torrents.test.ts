/** What others call BitTorrent v2 and what is shared here have one ID, and their torrents and links are as good as ours. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, torrentOf, writeCase } from '../fixtures/torrents/cases.ts'
import { Cluster, errorOf } from './cluster.ts'
import { contents, makeFolder, makeOddities } from './content.ts'

/** Debian's own Python: it has the package, whatever else comes first in the path. */
const PYTHON = '/usr/bin/python3'
const HAS_LIBTORRENT = spawnSync(PYTHON, ['-c', 'import libtorrent']).status === 0
/** FOLDER TORRENT: writes the torrent, prints its infohash and its magnet link. */
const MAKE_TORRENT = `
import os, sys
import libtorrent as lt
files = lt.file_storage()
lt.add_files(files, sys.argv[1])
torrent = lt.create_torrent(files, 0, lt.create_torrent.v2_only)
lt.set_piece_hashes(torrent, os.path.dirname(sys.argv[1]))
with open(sys.argv[2], "wb") as out:
    out.write(lt.bencode(torrent.generate()))
info = lt.torrent_info(sys.argv[2])
print(info.info_hashes().v2)
print(lt.make_magnet_uri(info))
`

describe('torrents', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start(2)
  })
  afterAll(() => cluster.close())

  const get = async (what: string, name: string): Promise<{ id: string; found: Record<string, string> }> => {
    const { id, path } = await cluster.node(2).ok('get', [what, '-o', cluster.folder(`${name} fetched`)])
    await cluster.node(2).ok('rm', [id])
    return { id, found: contents(path) }
  }

  it.each(['single', 'many', 'executables'])(
    'one that libtorrent made names what is shared here, and can be fetched: %s',
    async name => {
      const one = cases.find(({ torrent }) => torrent === `${name}.torrent`)!
      const shared = writeCase(cluster.folder(name), one)
      expect(await cluster.node(1).ok('share', [shared])).toMatchObject({ id: one.contentId })
      const torrent = cluster.folder(one.torrent)
      fs.writeFileSync(torrent, torrentOf(one))
      expect(await get(torrent, name)).toEqual({ id: one.contentId, found: contents(shared) })
    }
  )

  it('one of BitTorrent v1 is refused by name', async () => {
    const torrent = cluster.folder('nested.v1.torrent')
    fs.writeFileSync(torrent, torrentOf(cases.find(({ kind }) => kind === 'v1')!))
    const answer = await cluster.node(2).run(['get', torrent, '-o', cluster.root])
    expect(answer.code).toBe(1)
    expect(errorOf(answer).message).toMatch(/v1/)
  })

  it.skipIf(!HAS_LIBTORRENT)('libtorrent, here and now, gives a folder the ID that share gives it', async () => {
    const folder = makeFolder(cluster.folder('living 樹'), 120)
    makeOddities(folder)
    // libtorrent reads empty folders and never writes them.
    fs.rmSync(path.join(folder, 'empty folder'), { recursive: true })
    const torrent = cluster.folder('living.torrent')
    const made = spawnSync(PYTHON, ['-c', MAKE_TORRENT, folder, torrent], { encoding: 'utf8' })
    const [infohash, magnet] = made.stdout.split('\n')
    const { id } = await cluster.node(1).ok('share', [folder])
    expect(id, made.stderr).toBe(infohash)
    expect(await get(torrent, 'torrent')).toEqual({ id, found: contents(folder) })
    expect(await get(magnet!, 'magnet')).toEqual({ id, found: contents(folder) })
  })
})
