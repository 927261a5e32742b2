/** Prepares a download as the current user, and prints the result and the problem. */
import { expectDefined } from '../../../src/base/assert.ts'
import { makeContent, openPlace, randomBytes, startDownload } from '../../unit/io/store/contents.ts'

const made = makeContent('big.bin', { 'big.bin': { bytes: randomBytes('big', 100_000) } })
const place = await openPlace({ folder: expectDefined(process.argv[2], 'a folder') })
await startDownload(place, made)
const result = await place.store.prepare(made.id, undefined)
const problem = place.store.problem(made.id)
process.stdout.write(
  JSON.stringify({
    ok: result.ok,
    reason: result.ok ? '' : result.reason,
    code: problem?.code,
    message: problem?.message
  })
)
place.store.closeAll()
await place.db.close()
