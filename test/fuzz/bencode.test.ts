import { expect, it } from 'vitest'
import { Random } from '../../src/base/random.ts'
import { BencodeReader, BencodeWriter } from '../../src/wire/bittorrent/bencode.ts'
import { DecodeError } from '../../src/wire/codec/cursor.ts'
import { cases, torrentOf } from '../fixtures/torrents/cases.ts'
import { mutate } from './mutate.ts'

const INPUTS = 100_000
const seeds = cases.map(torrentOf).filter(bytes => bytes.length < 3_000)

/** Writes what the reader sees: for a strict reader that is what was read. */
function copy(reader: BencodeReader, writer: BencodeWriter): void {
  switch (reader.kind()) {
    case 'integer':
      writer.integer(reader.integer())
      break
    case 'string':
      writer.string(reader.string(1 << 20))
      break
    case 'list':
      writer.list(() => {
        reader.list(() => {
          copy(reader, writer)
        })
      })
      break
    case 'dictionary': {
      const values: Array<readonly [Uint8Array, Uint8Array]> = []
      reader.dictionary(key => {
        const inner = new BencodeWriter()
        copy(reader, inner)
        values.push([key, inner.finish()])
      })
      writer.dictionary(
        values.map(([key, value]) => [
          key,
          () => {
            writer.encoded(value)
          }
        ])
      )
      break
    }
  }
}

it(`reads ${INPUTS} mutated inputs as what they are, to the byte, or refuses them with DecodeError`, () => {
  const random = Random.from('fuzz bencode')
  let read = 0
  for (let round = 0; round < INPUTS; round++) {
    const bytes = mutate(random, random.pick(seeds)!, random.pick(seeds)!)
    try {
      const reader = new BencodeReader(bytes)
      const writer = new BencodeWriter()
      copy(reader, writer)
      reader.end()
      if (Buffer.compare(writer.finish(), bytes) !== 0) throw new Error(`two encodings of one value, in round ${round}`)
      read++
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  // Both ends must be met, or the mutations are too wild or too tame to tell anything.
  expect(read).toBeGreaterThan(INPUTS / 100)
  expect(read).toBeLessThan(INPUTS / 2)
})
