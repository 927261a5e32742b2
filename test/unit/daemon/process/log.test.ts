import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { forPeople, LOG_FILES_MAX, logFile, openLog, rotating } from '../../../../src/daemon/process/log.ts'
import { temporaryFolder } from '../temporary.ts'

it('keeps the newest lines in files of a bounded size and number', () => {
  const folder = temporaryFolder()
  const file = path.join(folder, 'daemon.log')
  const log = rotating(file, 100)
  for (let i = 0; i < 1_000; i++) log.write(`line ${String(i).padStart(4, '0')}\n`)
  expect(fs.readdirSync(folder).sort()).toEqual(['daemon.log', 'daemon.log.1', 'daemon.log.2', 'daemon.log.3'])
  expect(LOG_FILES_MAX).toBe(4)
  const texts = ['.3', '.2', '.1', ''].map(age => fs.readFileSync(file + age, 'utf8'))
  for (const text of texts) expect(text.length).toBeLessThanOrEqual(100)
  const lines = texts.join('').trimEnd().split('\n')
  expect(lines.at(-1)).toBe('line 0999')
  expect(lines[0]).toBe(`line ${String(1_000 - lines.length).padStart(4, '0')}`)
})

it('goes on in the file of the run before', () => {
  const file = path.join(temporaryFolder(), 'log')
  rotating(file, 100).write('a\n')
  rotating(file, 100).write('b\n')
  expect(fs.readFileSync(file, 'utf8')).toBe('a\nb\n')
})

it('writes what the level asks for, and for people in one line without control characters', () => {
  const folder = path.join(temporaryFolder(), 'log')
  let read = ''
  const log = openLog({ folder, level: 'info', people: { write: text => (read += text) } })
  log.debug('hidden')
  log.warn({ peer: 'a\u001b[2J\nb', err: new Error('broken') }, 'refused')
  expect(read).toMatch(/^\d\d:\d\d:\d\d warn refused peer=a\ufffd\[2J\ufffdb err=broken\n$/)
  const entries = fs.readFileSync(logFile(folder), 'utf8').trimEnd().split('\n')
  expect(entries.map(line => (JSON.parse(line) as { msg: string }).msg)).toEqual(['refused'])
})

it('prints times, levels and fields', () => {
  const entry = { level: 'info', time: '2026-01-02T03:04:05.678Z', pid: 1, msg: 'ready', port: 7 }
  expect(forPeople(JSON.stringify(entry))).toBe('03:04:05 info ready port=7\n')
})
