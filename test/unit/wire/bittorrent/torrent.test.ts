import { describe, expect, it } from 'vitest'
import { hex } from '../../../../src/base/bytes.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import {
  TORRENT_BYTES_MAX,
  buildTorrent,
  hasPieceLayers,
  parseTorrent,
  readTorrent,
  verifyPieceLayers
} from '../../../../src/wire/bittorrent/torrent.ts'
import { cases, torrentOf } from '../../../fixtures/torrents/cases.ts'

const edges = cases.find(one => one.torrent === 'edges.torrent')!

function failure(bytes: Uint8Array): ShoalError {
  try {
    parseTorrent(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(ShoalError)
    return error as ShoalError
  }
  throw new Error('let in')
}

/** A copy of the layers in which the last byte of layer `at` is flipped. */
function withWrongLayer(at: number): Uint8Array {
  const { manifest, pieceLayers } = parseTorrent(torrentOf(edges))
  const wrong = new Map([...pieceLayers].map(([root, layer]) => [root, layer.slice()]))
  const layer = [...wrong.values()][at]!
  layer[layer.length - 1]! ^= 1
  return buildTorrent(manifest.raw, wrong)
}

describe('a torrent', () => {
  it.each(cases.filter(({ kind }) => kind === 'v2'))('$torrent is encoded to the same bytes', one => {
    const bytes = torrentOf(one)
    const { manifest, pieceLayers } = parseTorrent(bytes)
    expect(hasPieceLayers(manifest, pieceLayers)).toBe(true)
    expect(hex(buildTorrent(manifest.raw, pieceLayers))).toBe(hex(bytes))
  })

  it('of a hybrid gives its v2 part', () => {
    const hybrid = cases.find(({ kind }) => kind === 'hybrid')!
    const { manifest, pieceLayers } = parseTorrent(torrentOf(hybrid))
    expect(manifest.contentId).toBe(hybrid.contentId)
    expect(manifest.files).toHaveLength(edges.files.length)
    expect([...pieceLayers]).toEqual([...parseTorrent(torrentOf(edges)).pieceLayers])
  })

  it('holds no views of its input, even when that is a Buffer', () => {
    const bytes = Buffer.from(torrentOf(edges))
    const { manifest, pieceLayers } = parseTorrent(bytes)
    const before = hex(buildTorrent(manifest.raw, pieceLayers))
    bytes.fill(0)
    expect(hex(buildTorrent(manifest.raw, pieceLayers))).toBe(before)
  })

  it('is refused when any piece layer is wrong', () => {
    const layers = parseTorrent(torrentOf(edges)).pieceLayers.size
    expect(layers).toBeGreaterThan(2)
    for (let at = 0; at < layers; at++) {
      expect(failure(withWrongLayer(at))).toMatchObject({
        code: 'integrity',
        message: expect.stringContaining('do not match its root') as string
      })
    }
  })

  it('is refused when a piece layer is too short or too long', () => {
    const { manifest, pieceLayers } = parseTorrent(torrentOf(edges))
    for (const change of [
      (layer: Uint8Array) => layer.subarray(32),
      (layer: Uint8Array) => new Uint8Array([...layer, ...layer])
    ]) {
      const wrong = new Map([...pieceLayers].map(([root, layer]) => [root, change(layer)]))
      expect(failure(buildTorrent(manifest.raw, wrong)).code).toBe('integrity')
    }
  })

  it('may lack piece layers, which hasPieceLayers reports', () => {
    const { manifest, pieceLayers } = parseTorrent(torrentOf(edges))
    const none = parseTorrent(buildTorrent(manifest.raw, new Map()))
    expect(hasPieceLayers(none.manifest, none.pieceLayers)).toBe(false)
    const [first] = pieceLayers.keys()
    const some = new Map([...pieceLayers].filter(([root]) => root !== first))
    expect(hasPieceLayers(manifest, some)).toBe(false)
  })

  it('drops piece layers that belong to none of its files', () => {
    const { manifest, pieceLayers } = parseTorrent(torrentOf(edges))
    const more = new Map([...pieceLayers, ['ff'.repeat(32), new Uint8Array(64)]])
    expect([...parseTorrent(buildTorrent(manifest.raw, more)).pieceLayers.keys()]).toEqual([...pieceLayers.keys()])
  })

  it('can be verified in steps', () => {
    const { manifest, pieceLayers } = readTorrent(withWrongLayer(0))
    expect(() => [...verifyPieceLayers(manifest, pieceLayers)]).toThrow('do not match')
  })

  it.each([
    ['empty input', '', 'unexpected end'],
    ['text', 'hello', 'not a value'],
    ['no info', 'de', 'no info dictionary'],
    ['info that is not a dictionary', 'd4:infoi1ee', 'expected dictionary, found integer'],
    ['a layer under a short root', 'd4:infode12:piece layersd3:abc0:ee', 'has 3 bytes'],
    ['trailing bytes', 'd4:infodeex', 'trailing bytes']
  ])('is refused when it is %s', (_what, text, why) => {
    expect(failure(Buffer.from(text))).toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(why) as string
    })
  })

  it('is refused for its size before it is parsed', () => {
    const huge = { length: TORRENT_BYTES_MAX + 1 } as Uint8Array
    expect(failure(huge).message).toContain('the limit is')
  })
})
