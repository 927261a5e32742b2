import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { ReadBuffers } from '../../../../src/io/share/buffers.ts'
import { hashFile, type HashedFile } from '../../../../src/io/share/hash-file.ts'
import { stampOf, type FileStamp } from '../../../../src/io/share/walk.ts'
import { content } from '../../../fixtures/torrents/cases.ts'
import { bench, put, type Bench } from './kit.ts'

function hash(one: Bench, target: string, stamp: FileStamp): Promise<HashedFile> {
  return hashFile(target, stamp, {
    leavesPerPiece: 4,
    leaves: one.leaves,
    buffers: new ReadBuffers(1 << 20),
    signal: new AbortController().signal,
    beforeReading: () => Promise.resolve(),
    onRead: () => undefined
  })
}

const stampAt = (target: string): FileStamp => stampOf(fs.lstatSync(target, { bigint: true }))

it.each([
  ['a pipe', (target: string) => execFileSync('mkfifo', [target])],
  ['a folder', (target: string) => fs.mkdirSync(target)],
  ['a symlink to a file', (target: string) => fs.symlinkSync('elsewhere', target)],
  ['nothing', () => undefined]
] as const)('does not follow, and does not wait for, %s where a file was', async (_what, replace) => {
  const one = await bench()
  put(one.folder, 'elsewhere', content(1, 50_000))
  const target = put(one.folder, 'file', content(1, 50_000))
  const stamp = stampAt(target)
  fs.rmSync(target)
  replace(target)
  await expect(hash(one, target, stamp)).rejects.toMatchObject({ code: 'conflict' })
})

it('finds a file that has become empty empty', async () => {
  const one = await bench()
  const target = put(one.folder, 'file', content(1, 50_000))
  const stamp = stampAt(target)
  fs.truncateSync(target, 0)
  expect(await hash(one, target, stamp)).toMatchObject({ root: undefined, stamp: { sizeBytes: 0 } })
})

it('gives every buffer back, also after a failure', async () => {
  const one = await bench()
  const buffers = new ReadBuffers(1 << 20)
  const first = buffers.take()
  buffers.give(first)
  const target = put(one.folder, 'file', content(1, 3 << 20))
  const options = { leavesPerPiece: 4, leaves: one.leaves, buffers, beforeReading: () => Promise.resolve() }
  const controller = new AbortController()
  const onRead = (): void => {
    controller.abort(new Error('enough'))
  }
  await expect(hashFile(target, stampAt(target), { ...options, signal: controller.signal, onRead })).rejects.toThrow(
    'enough'
  )
  const pair = [buffers.take(), buffers.take()]
  expect(pair).toContain(first)
  expect(fs.readdirSync(path.join(one.folder, '..', 'leaves', 'tmp'))).toEqual([])
})
