import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { lockHolder, takeLock } from '../../../../src/daemon/home/lock.ts'
import { temporaryFolder } from '../temporary.ts'

const conflict: unknown = expect.objectContaining({ code: 'conflict' })

/** Another process that holds the lock until it is killed. */
async function holder(file: string): Promise<ChildProcess> {
  const module = path.resolve(import.meta.dirname, '../../../../src/daemon/home/lock.ts')
  const program = `
    const { takeLock } = await import(${JSON.stringify(module)})
    // Referenced, so that it is not collected.
    globalThis.lock = takeLock(${JSON.stringify(file)})
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  const child = spawn('node', ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

it('refuses a second process at once, and starts at once after the first was killed', { timeout: 20_000 }, async () => {
  const file = path.join(temporaryFolder(), 'lock.db')
  const child = await holder(file)
  const startMs = performance.now()
  expect(() => takeLock(file)).toThrow(
    expect.objectContaining({
      code: 'conflict',
      message: `another daemon runs on this home (process ${child.pid})`,
      hint: expect.stringContaining(`kill ${child.pid}`) as string
    })
  )
  expect(performance.now() - startMs).toBeLessThan(500)
  child.kill('SIGKILL')
  await once(child, 'exit')
  takeLock(file).release()
})

it('refuses a second holder in one process, until the first lets go', () => {
  const file = path.join(temporaryFolder(), 'lock.db')
  const lock = takeLock(file)
  expect(() => takeLock(file)).toThrow(conflict)
  lock.release()
  lock.release()
  takeLock(file).release()
})

it('needs no room on the disk, and leaves nothing behind', () => {
  const folder = temporaryFolder()
  const file = path.join(folder, 'lock.db')
  const lock = takeLock(file)
  expect(fs.readdirSync(folder)).toEqual(['lock.db'])
  lock.release()
  expect(fs.statSync(file).size).toBe(0)
})

it('is refused on a file that is none of ours', () => {
  const file = path.join(temporaryFolder(), 'lock.db')
  fs.writeFileSync(file, 'x'.repeat(4096))
  expect(() => takeLock(file)).toThrow(expect.objectContaining({ code: 'bad-input' }))
})

it('says which folder it could not lock in', () => {
  expect(() => takeLock('/nonexistent/lock.db')).toThrow(expect.objectContaining({ code: 'permission' }))
})

it('finds the holder among the locks of the kernel, on this device only', () => {
  const locks = [
    '1: POSIX  ADVISORY  READ 7 fe:00:99 1073741824 1073742335',
    '1: -> POSIX  ADVISORY  WRITE 8 fe:00:99 1073741824 1073742335',
    '2: FLOCK  ADVISORY  WRITE 9 fe:00:99 0 EOF',
    '3: POSIX  ADVISORY  WRITE 10 103:02:99 1073741824 1073742335',
    '4: POSIX  ADVISORY  WRITE 11 fe:00:99 1073741824 1073742335'
  ].join('\n')
  expect(lockHolder(locks, { dev: 0xfe00n, ino: 99n })).toBe(11)
  expect(lockHolder(locks, { dev: 0x10302n, ino: 99n })).toBe(10)
  expect(lockHolder(locks, { dev: 0xfe00n, ino: 100n })).toBeUndefined()
})
