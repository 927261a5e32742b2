import path from 'node:path'
import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FileStats, sameSeen, seenOf, type Seen } from '../../../../../src/io/store/files/stats.ts'
import { temporaryFolder } from '../../share/kit.ts'

const NS_PER_DAY = 86_400_000_000_000n
const dateNs = (iso: string): bigint => (BigInt(Date.parse(`${iso}T00:00:00Z`)) / 86_400_000n) * NS_PER_DAY
const seen = (mtimeNs: bigint): Seen => ({ size: 5n, mtimeNs, ino: 7n })

describe('the stats of files', () => {
  it.each([
    '1601-01-01',
    '1677-09-20',
    '1850-06-01',
    '1970-01-01',
    '2026-01-01',
    '2262-04-12',
    '2400-01-01',
    '9999-12-31'
  ])('keep a date of %s apart from others', async date => {
    const file = path.join(temporaryFolder(), 'seen')
    const mtimeNs = dateNs(date)
    const stats = new FileStats(1)
    stats.set(0, seen(mtimeNs))
    await stats.save(file)
    const loaded = (await FileStats.load(file, 1))?.get(0)
    expect(sameSeen(loaded, seen(mtimeNs))).toBe(true)
    for (const otherNs of [0n, mtimeNs + 1n, mtimeNs - 1n, -mtimeNs - 1n, mtimeNs + NS_PER_DAY]) {
      if (otherNs !== mtimeNs) expect(sameSeen(loaded, seen(otherNs))).toBe(false)
    }
  })

  it('keep what the disk says of a file of 2400', () => {
    const file = path.join(temporaryFolder(), 'file')
    fs.writeFileSync(file, 'x')
    fs.utimesSync(file, 13_569_465_600, 13_569_465_600)
    const stats = new FileStats(1)
    const now = seenOf(fs.statSync(file, { bigint: true }))
    stats.set(0, now)
    expect(sameSeen(stats.get(0), now)).toBe(true)
  })

  it('read the file of an earlier version', async () => {
    const file = path.join(temporaryFolder(), 'seen')
    const entry = Buffer.alloc(24)
    entry.writeBigUInt64BE(5n, 0)
    entry.writeBigInt64BE(dateNs('2026-01-01'), 8)
    entry.writeBigUInt64BE(7n, 16)
    fs.writeFileSync(file, Buffer.concat([Buffer.from('shoalst1'), entry]))
    expect((await FileStats.load(file, 1))?.get(0)).toEqual(seen(dateNs('2026-01-01')))
  })
})
