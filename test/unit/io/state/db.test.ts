import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import { BATCH_WRITES_MAX, HOME_VERSION, StateDb } from '../../../../src/io/state/db.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-state-'))
  path = join(folder, 'state.db')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

function refusalOf(act: () => unknown): ShoalError {
  try {
    act()
  } catch (error) {
    if (error instanceof ShoalError) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('the state database', () => {
  it('keeps values over a close, and forgets deleted ones', async () => {
    const db = StateDb.open(path)
    await Promise.all([
      db.put('a/1', bytes(1)),
      db.put('a/2', bytes(2)),
      db.put('b/1', bytes(3)),
      db.put('a/1', undefined)
    ])
    await db.close()
    const again = StateDb.open(path)
    expect(again.get('a/1')).toBeUndefined()
    expect([...again.scan('a/')]).toEqual([['a/2', bytes(2)]])
    expect(again.get('b/1')).toEqual(bytes(3))
    await again.close()
  })

  it('returns a value before it is acknowledged, by key and by prefix', async () => {
    const db = StateDb.open(path)
    await db.put('k/old', bytes(1))
    const done = [db.put('k/new', bytes(2)), db.put('k/old', undefined)]
    expect(db.get('k/new')).toEqual(bytes(2))
    expect([...db.scan('k/').keys()]).toEqual(['k/new'])
    expect(await Promise.all(done)).toEqual([{ ok: true }, { ok: true }])
    await db.close()
  })

  it('accepts more writes in a turn than one transaction holds', async () => {
    const db = StateDb.open(path)
    const many = BATCH_WRITES_MAX * 2 + 1
    const results = await Promise.all(Array.from({ length: many }, (_, n) => db.put(`n/${n}`, bytes(n & 0xff))))
    expect(results.every(result => result.ok)).toBe(true)
    expect(db.scan('n/').size).toBe(many)
    await db.close()
  })

  it('keeps a copy, so that the caller may reuse its buffer', async () => {
    const db = StateDb.open(path)
    const value = bytes(1, 2, 3)
    const done = db.put('k', value)
    value.fill(9)
    await done
    expect(db.get('k')).toEqual(bytes(1, 2, 3))
    await db.close()
  })

  it('answers a full disk with a reason, and continues when there is room', async () => {
    const db = StateDb.open(path)
    await db.put('small', bytes(1))
    // SQLite's own page limit gives the same SQLITE_FULL as a full disk.
    const inside = (db as unknown as { db: DatabaseSync }).db
    inside.exec('PRAGMA max_page_count = 3')
    expect(await db.put('big', new Uint8Array(100_000))).toEqual({ ok: false, reason: 'disk-full' })
    expect(db.get('big')).toBeUndefined()
    expect(db.get('small')).toEqual(bytes(1))
    inside.exec('PRAGMA max_page_count = 1000000')
    expect(await db.put('big', new Uint8Array(100_000))).toEqual({ ok: true })
    await db.close()
    expect(await db.put('late', bytes(1))).toEqual({ ok: false, reason: 'closed' })
  })

  it('acknowledges pending writes before it closes', async () => {
    const db = StateDb.open(path)
    const done = db.put('k', bytes(1))
    await db.close()
    expect(await done).toEqual({ ok: true })
    const again = StateDb.open(path)
    expect(again.get('k')).toEqual(bytes(1))
    await again.close()
  })

  it('is refused to a second opener', async () => {
    const db = StateDb.open(path)
    await db.put('k', bytes(1))
    expect(refusalOf(() => StateDb.open(path)).code).toBe('busy')
    await db.close()
  })

  it('refuses a home of a newer version with a hint', () => {
    const raw = new DatabaseSync(path)
    raw.exec(`PRAGMA user_version = ${HOME_VERSION + 1}`)
    raw.close()
    const refusal = refusalOf(() => StateDb.open(path))
    expect(refusal.code).toBe('conflict')
    expect(refusal.message).toContain(`version ${HOME_VERSION + 1}`)
    expect(refusal.hint).toBeDefined()
  })

  it('refuses a file that is no database', () => {
    writeFileSync(path, 'this is not a database, whatever its name says'.repeat(200))
    expect(refusalOf(() => StateDb.open(path)).code).toBe('integrity')
  })

  it('refuses a database with a damaged page', async () => {
    const db = StateDb.open(path)
    await Promise.all(Array.from({ length: 500 }, (_, n) => db.put(`key/${n}`, new Uint8Array(100))))
    await db.close()
    const file = readFileSync(path)
    file.fill(0xa5, 8192, 12288)
    writeFileSync(path, file)
    expect(refusalOf(() => StateDb.open(path)).code).toBe('integrity')
  })

  it('has every acknowledged value after a kill -9', async () => {
    for (const acks of [1, 30, 90]) {
      const acked = await killAfter(acks)
      const db = StateDb.open(path)
      for (let n = 0; n <= acked; n++) expect(db.get(`key/${n}`)).toEqual(new Uint8Array(200).fill(n & 0xff))
      await db.close()
    }
  })
})

/** Runs the writer until it has acknowledged `batches` batches, kills it, and returns the last acknowledged number. */
function killAfter(batches: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('node', [join(import.meta.dirname, 'writer.fixture.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.split('\n').length > batches) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', () => {
      const complete = output.slice(0, output.lastIndexOf('\n')).split('\n')
      resolve(Number(complete.at(-1)))
    })
  })
}
