import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { controlSocketPath } from '../../../../src/daemon/home/socket-path.ts'
import { SOCKET_PATH_BYTES_MAX } from '../../../../src/wire/control/home.ts'
import { temporaryFolder } from '../temporary.ts'

const SOCKET_NAME_BYTES = '/control.sock'.length
const homeOf = (bytes: number): string => '/'.padEnd(bytes, 'h')

it('lies in the home while its path has at most 100 bytes', () => {
  const home = homeOf(SOCKET_PATH_BYTES_MAX - SOCKET_NAME_BYTES)
  expect(controlSocketPath(home, {})).toBe(`${home}/control.sock`)
})

it('moves to the runtime folder with one byte more, each home to its own', () => {
  const runtime = temporaryFolder()
  const env = { XDG_RUNTIME_DIR: runtime }
  const long = homeOf(SOCKET_PATH_BYTES_MAX - SOCKET_NAME_BYTES + 1)
  const moved = controlSocketPath(long, env)
  expect(path.dirname(moved)).toBe(runtime)
  expect(controlSocketPath(long, env)).toBe(moved)
  expect(controlSocketPath(`${long}h`, env)).not.toBe(moved)
})

it('counts bytes, not letters', () => {
  const home = `/${'é'.repeat(45)}`
  expect(controlSocketPath(home, { XDG_RUNTIME_DIR: temporaryFolder() })).not.toContain('é')
})

it('moves to a folder of this user when there is no runtime folder, or others can enter it', () => {
  const shared = temporaryFolder()
  fs.chmodSync(shared, 0o755)
  const own = path.join(os.tmpdir(), `shoal-${process.getuid!()}`)
  for (const env of [
    {},
    { XDG_RUNTIME_DIR: 'relative' },
    { XDG_RUNTIME_DIR: shared },
    { XDG_RUNTIME_DIR: homeOf(200) }
  ]) {
    expect(path.dirname(controlSocketPath(homeOf(120), env))).toBe(own)
  }
  expect(fs.statSync(own).mode & 0o777).toBe(0o700)
})
