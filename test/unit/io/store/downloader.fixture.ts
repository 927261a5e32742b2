/** Downloads a content from memory into the target and prints what is synced and finished, until the test kills it. */
import { expectDefined } from '../../../../src/base/assert.ts'
import { Bitfield } from '../../../../src/base/bitfield.ts'
import { unhex } from '../../../../src/base/bytes.ts'
import type { Prepared } from '../../../../src/core/exchange/contract.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { bytesOf, leafHashesOf, openPlace, startDownload } from './contents.ts'
import { crashContent } from './crash-content.ts'

const [folder, syncedHex] = [expectDefined(process.argv[2], 'a folder'), expectDefined(process.argv[3], 'bits')]
const made = crashContent()
const place = await openPlace({ folder })
const synced = expectDefined(
  Bitfield.decode(expectDefined(unhex(syncedHex), 'hexadecimal'), made.layout.leaves),
  'bits'
)
await startDownload(place, made)
const result = await place.store.prepare(made.id, synced.empty ? undefined : synced)
if (!result.ok) throw new Error(result.reason)
const { have } = result.value as Prepared
const { store } = place

// Backwards, so that the file has its full length at once and consists mostly of holes.
for (let left = made.layout.pieces; left > 0; left--) {
  const piece = (left - 1) as PieceIndex
  const first = made.layout.firstLeafOf(piece)
  for (let leaf = 0; leaf < made.layout.leavesOf(piece); leaf++) {
    if (have.has(first + leaf)) continue
    if (leaf === 0) await store.keepLeafHashes(made.id, piece, leafHashesOf(made, piece))
    const written = await store.write(made.id, { piece, leafStart: leaf }, bytesOf(made, piece, leaf, 1))
    if (!written.ok) throw new Error(written.reason)
    have.add(first + leaf)
  }
  if (piece % 3 !== 0) continue
  const bits = Buffer.from(have.encode()).toString('hex')
  if (!(await store.sync(made.id)).ok) throw new Error('not synced')
  process.stdout.write(`${bits}\n`)
}
process.stdout.write('finishing\n')
const finished = await store.finish(made.id)
process.stdout.write(`${JSON.stringify(finished)}\n`)
store.closeAll()
await place.db.close()
