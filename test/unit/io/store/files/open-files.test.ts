import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants } from 'node:fs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SafeDir } from '../../../../../src/io/store/files/safe-dir.ts'
import {
  OPEN_DESCRIPTORS_MAX,
  OpenFiles,
  closeFd,
  openFd,
  readAt,
  writeAt
} from '../../../../../src/io/store/files/open-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-fds-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** Descriptors of this process that point below the test's folder. */
function openBelow(): number {
  const targets = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return targets.filter(target => target.startsWith(folder)).length
}

const make = (n: number) => (): Promise<number> => openFd(join(folder, String(n)), constants.O_RDWR | constants.O_CREAT)

it('open files stay within their limit, and a file in use is not closed', async () => {
  const files = new OpenFiles({ limit: 4 })
  await files.use('0', make(0), async held => {
    for (let n = 1; n <= 20; n++) await files.use(String(n), make(n), fd => writeAt(fd, Uint8Array.of(n), 0))
    expect(files.size).toBe(4)
    await writeAt(held, Uint8Array.of(99), 0)
    const into = new Uint8Array(1)
    expect(await readAt(held, into, 0)).toBe(1)
    expect(into[0]).toBe(99)
  })
  files.drop('')
  await (await open(folder)).close()
  expect(openBelow()).toBe(0)
})

it('two users of one file share one descriptor', async () => {
  const files = new OpenFiles({ limit: 4 })
  let opened = 0
  const counting = (): Promise<number> => {
    opened++
    return make(0)()
  }
  const fds = await Promise.all(Array.from({ length: 10 }, () => files.use('0', counting, fd => Promise.resolve(fd))))
  expect([opened, new Set(fds).size]).toEqual([1, 1])
  files.drop('')
})

it('open folders stay within their limit, however deep and many, and all are closed at the end', async () => {
  const safeDir = new SafeDir(folder, new OpenFiles(), 'x/')
  const deep = Array.from({ length: 100 }, (_, n) => `d${n}`)
  await safeDir.makeFolder(deep)
  await Promise.all(Array.from({ length: 200 }, (_, n) => safeDir.makeFolder([`w${n}`, 'x'])))
  const { fd } = await safeDir.openFile([...deep, 'file'], constants.O_RDWR | constants.O_CREAT)
  await closeFd(fd)
  expect((await safeDir.lstat([...deep, 'file']))?.isFile()).toBe(true)
  expect(openBelow()).toBeLessThanOrEqual(OPEN_DESCRIPTORS_MAX + 1)
  safeDir.close()
  await (await open(folder)).close()
  expect(openBelow()).toBe(0)
})

it('unused descriptors are closed after a while, and those in use are not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const files = new OpenFiles({ idleMs: 1_000 })
    const nothing = (): Promise<void> => Promise.resolve()
    await files.use('idle', make(1), nothing)
    await files.use('held', make(2), async () => {
      await files.use('busy', make(3), nothing)
      vi.advanceTimersByTime(1_000)
      await files.use('busy', make(3), nothing)
      vi.advanceTimersByTime(1_000)
      expect(files.size).toBe(2)
    })
    vi.advanceTimersByTime(2_000)
    expect([files.size, vi.getTimerCount()]).toEqual([0, 0])
  } finally {
    vi.useRealTimers()
  }
  await (await open(folder)).close()
  expect(openBelow()).toBe(0)
})

it('a user that waits for another user to open a file tries to open it itself when that fails', async () => {
  const files = new OpenFiles()
  const refused = (): Promise<number> => Promise.reject(new Error('not allowed to make it'))
  const first = files.use('0', refused, fd => Promise.resolve(fd))
  const second = files.use('0', make(0), fd => Promise.resolve(fd))
  await expect(first).rejects.toThrow('not allowed')
  expect(await second).toBeGreaterThan(0)
  files.drop('')
})
