/** libtorrent and real daemons, here and now: one ID, and its torrents and links fetched. Takes Debian's python3-libtorrent. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import path from 'node:path'
import { Cluster } from '../integration/cluster.ts'
import { contents, makeFolder, makeOddities } from '../integration/content.ts'

/** Debian's own Python: it has the package, whatever else comes first in the path. */
const PYTHON = '/usr/bin/python3'
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

describe('libtorrent', () => {
  let cluster: Cluster
  beforeAll(async () => {
    const found = spawnSync(PYTHON, ['-c', 'import libtorrent'], { encoding: 'utf8' })
    if (found.status !== 0) throw new Error(`install Debian's python3-libtorrent: ${found.stderr}`)
    cluster = await Cluster.start(2)
  })
  afterAll(() => cluster.close())

  const get = async (what: string, name: string): Promise<{ id: string; found: Record<string, string> }> => {
    const { id, path: where } = await cluster.node(2).ok('get', [what, '-o', cluster.folder(`${name} fetched`)])
    await cluster.node(2).ok('rm', [id])
    return { id, found: contents(where) }
  }

  it('gives a folder the ID that share gives it', async () => {
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
