/** libtorrent by its Python module: a seeder and a downloader of a version 2 torrent, not encrypted. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { Contender } from '../contender.ts'
import { freePort, type Workshop } from '../workshop.ts'

/** The system's: the module is a package of Debian. */
const PYTHON = '/usr/bin/python3'
const PEER = path.join(import.meta.dirname, 'torrent_peer.py')
const START_MS = 20_000

export function libtorrent(workshop: Workshop): Contender {
  const has = spawnSync(PYTHON, ['-c', 'import libtorrent'], { stdio: 'ignore' }).status === 0
  return {
    name: 'libtorrent',
    missing: has ? undefined : 'python3-libtorrent',
    async offer(source) {
      const torrent = workshop.path('torrent')
      const startMs = performance.now()
      await workshop.start([PYTHON, PEER, 'hash', source, torrent]).ended
      const readySeconds = (performance.now() - startMs) / 1_000
      const port = await freePort()
      const seeder = workshop.start([PYTHON, PEER, 'seed', torrent, path.dirname(source), String(port)])
      await seeder.says(/ready/, START_MS)
      const ownPort = await freePort()
      return {
        ...{ giving: [seeder.pid], taking: [], readySeconds },
        fetch: into => [PYTHON, PEER, 'get', torrent, into, String(ownPort), String(port)],
        end: () => seeder.kill('SIGKILL')
      }
    }
  }
}
