/** Writes in an endless loop and prints every acknowledged number, until the test kills it. */
import { StateDb } from '../../../../src/io/state/db.ts'

const path = process.argv[2]
if (path === undefined) throw new Error('which database?')
const db = StateDb.open(path)
const value = (n: number): Uint8Array => new Uint8Array(200).fill(n & 0xff)
for (let n = 0; ; n += 10) {
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => db.put(`key/${n + i}`, value(n + i))))
  if (!results.every(result => result.ok)) throw new Error('refused')
  process.stdout.write(`${n + 9}\n`)
}
