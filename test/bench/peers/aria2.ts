/** aria2 as a BitTorrent seeder and downloader (version 1, not encrypted), with a tracker of a few lines that names the seeder. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Contender } from '../contender.ts'
import { freePort, installed, type Workshop } from '../workshop.ts'

const PIECE_BYTES = 1 << 20
const START_MS = 20_000
const SEEDER_PARSED = /IPv4 BitTorrent: listening on TCP port/

export function aria2(workshop: Workshop): Contender {
  return {
    name: 'aria2',
    missing: installed('aria2c') === undefined ? 'aria2' : undefined,
    async offer(source) {
      const [seedPort, ownPort] = [await freePort(), await freePort()]
      const tracker = await startTracker(workshop, seedPort)
      const torrent = workshop.path('aria2.torrent')
      const startMs = performance.now()
      fs.writeFileSync(torrent, torrentOf(source, tracker.url))
      const readySeconds = (performance.now() - startMs) / 1_000
      const both = [
        ...['aria2c', '--no-conf', '--enable-dht=false', '--bt-enable-lpd=false', '--file-allocation=none'],
        ...['--disable-ipv6', '--summary-interval=0', '--console-log-level=notice', '--download-result=hide']
      ]
      const seeder = workshop.start([
        ...[...both, `--dir=${path.dirname(source)}`, `--listen-port=${seedPort}`, '--bt-seed-unverified=true'],
        ...['--seed-ratio=0', '--check-integrity=false', torrent]
      ])
      await seeder.says(SEEDER_PARSED, START_MS)
      return {
        ...{ giving: [seeder.pid], taking: [], readySeconds },
        fetch: into => [...both, `--dir=${into}`, `--listen-port=${ownPort}`, '--seed-time=0', torrent],
        async end() {
          tracker.close()
          await seeder.kill('SIGKILL')
        }
      }
    }
  }
}

/** Answers everybody with the one address (BEP 23). */
async function startTracker(workshop: Workshop, seedPort: number): Promise<{ url: string; close: () => void }> {
  const peer = Buffer.from([127, 0, 0, 1, seedPort >> 8, seedPort & 0xff])
  const answer = Buffer.concat([Buffer.from('d8:intervali5e5:peers6:'), peer, Buffer.from('e')])
  const server = http.createServer((_, response) => response.end(answer)).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  workshop.atEnd(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`, close }
}

/** BEP 3, of one file. */
function torrentOf(file: string, tracker: string): Buffer {
  const bytes = fs.statSync(file).size
  const pieces: Buffer[] = []
  const handle = fs.openSync(file, 'r')
  const piece = Buffer.alloc(PIECE_BYTES)
  for (let read = fs.readSync(handle, piece); read > 0; read = fs.readSync(handle, piece))
    pieces.push(createHash('sha1').update(piece.subarray(0, read)).digest())
  fs.closeSync(handle)
  const text = (value: string | Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${Buffer.byteLength(value)}:`), Buffer.from(value)])
  return Buffer.concat([
    ...[Buffer.from('d'), text('announce'), text(tracker), text('info'), Buffer.from(`d6:lengthi${bytes}e`)],
    ...[text('name'), text(path.basename(file)), Buffer.from(`12:piece lengthi${PIECE_BYTES}e`)],
    ...[text('pieces'), text(Buffer.concat(pieces)), Buffer.from('ee')]
  ])
}
