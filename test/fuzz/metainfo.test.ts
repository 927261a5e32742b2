import v8 from 'node:v8'
import vm from 'node:vm'
import { expect, it } from 'vitest'
import { Random } from '../../src/base/random.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { parseInfo, pathOf, rootOf, type Manifest } from '../../src/wire/bittorrent/metainfo.ts'
import { checkName } from '../../src/wire/bittorrent/paths.ts'
import { parseTorrent } from '../../src/wire/bittorrent/torrent.ts'
import { cases, torrentOf } from '../fixtures/torrents/cases.ts'
import { mutate } from './mutate.ts'

const INPUTS = 100_000
/** What all of them together may leave behind. */
const HEAP_BYTES_MAX = 16 << 20

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc') as () => void

function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const torrents = cases.map(torrentOf).filter(bytes => bytes.length < 3_000)
const infos = cases
  .filter(({ kind }) => kind !== 'v1')
  .map(one => parseTorrent(torrentOf(one)).manifest.raw)
  .filter(raw => raw.length < 3_000)

function wrongWith(manifest: Manifest): string | undefined {
  if (manifest.layout.fileLengths.length !== manifest.files.length) return 'a layout of other files'
  if (!Number.isSafeInteger(manifest.layout.bytes)) return 'bytes beyond counting'
  const seen = new Set<string>()
  for (const file of manifest.files) {
    const names = pathOf(file)
    if (names.some(name => !checkName(utf8(name)).ok)) return `the name in ${names.join('/')}`
    if (seen.has(names.join('/'))) return `${names.join('/')} twice`
    seen.add(names.join('/'))
    if ((rootOf(manifest, file)?.length ?? 0) !== (file.lengthBytes > 0 ? 32 : 0)) return 'a root'
  }
  return undefined
}

it.each([
  ['manifests', infos, (bytes: Uint8Array) => parseInfo(bytes)],
  ['torrents', torrents, (bytes: Uint8Array) => parseTorrent(bytes).manifest]
] as const)(
  `lets only sound ones of ${INPUTS} mutated %s in, and refuses the others with ShoalError`,
  (_what, seeds, parse) => {
    const random = Random.from('fuzz metainfo')
    const before = heapBytes()
    let accepted = 0
    for (let round = 0; round < INPUTS; round++) {
      const bytes = mutate(random, random.pick(seeds)!, random.pick(seeds)!)
      try {
        const wrong = wrongWith(parse(bytes))
        if (wrong !== undefined) throw new Error(`${wrong}, in round ${round}`)
        accepted++
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        if (error.message.includes('\n') || error.message.length > 300)
          throw new Error('no line for people', { cause: error })
      }
    }
    expect(accepted).toBeGreaterThan(INPUTS / 1_000)
    expect(accepted).toBeLessThan(INPUTS / 2)
    expect(heapBytes() - before).toBeLessThan(HEAP_BYTES_MAX)
  }
)
