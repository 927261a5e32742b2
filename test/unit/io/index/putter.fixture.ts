/**
 * Puts and removes shares in an endless loop, and prints the number of each acknowledged put, until the test kills it.
 */
import type { ContentId } from '../../../../src/base/ids.ts'
import { openIndex } from '../../../../src/io/index/index.ts'
import { tagOf } from './tag.ts'

const [path = '', from = '0', files = '0'] = process.argv.slice(2)
const index = await openIndex({ path })
const idOf = (n: number): ContentId => n.toString(16).padStart(64, '0') as ContentId
for (let n = Number(from); ; n++) {
  const entries = Array.from({ length: Number(files) }, (_, i) => ({ path: `${tagOf(n)}/file ${i}.txt`, bytes: i }))
  await index.put({ content: idOf(n), name: `share ${tagOf(n)}`, bytes: n, entries })
  process.stdout.write(`${n}\n`)
  if (n % 3 === 2) await index.remove(idOf(n - 1))
}
