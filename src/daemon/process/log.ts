/**
 * The daemon's log: lines of JSON in the home's `log/daemon.log`, which moves to `.1`, `.2`, … as it fills, so that all of
 * them together stay under a bound. In the foreground the same goes to stderr, a line for people each.
 */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import pino, { type Logger } from 'pino'
import type { LogLevel } from '../../wire/control/settings.ts'
import { guarded, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../home/files.ts'

/** 16 MiB in all. */
export const LOG_FILE_BYTES_MAX = 4 << 20
export const LOG_FILES_MAX = 4

export function logFile(folder: string): string {
  return path.join(folder, 'daemon.log')
}

export interface LogOptions {
  folder: string
  level: LogLevel
  /** Where people read along. */
  people?: { write(text: string): unknown }
}

/** Throws ShoalError when the first file cannot be opened. After that a full disk loses lines, and nothing else. */
export function openLog({ folder, level, people }: LogOptions): Logger {
  guarded('make', folder, () => mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE }))
  const file = rotating(logFile(folder))
  const write = (line: string): void => {
    file.write(line)
    people?.write(forPeople(line))
  }
  const settings = { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }
  return pino({ ...settings, formatters: { level: label => ({ level: label }) } }, { write })
}

/** Writes synchronously: the line that says why a process died is there. */
export function rotating(file: string, bytesMax = LOG_FILE_BYTES_MAX): { write(line: string): void } {
  const open = (): number => guarded('open', file, () => openSync(file, 'a', PRIVATE_FILE_MODE))
  let handle = open()
  let length = fstatSync(handle).size
  return {
    write(line) {
      const bytes = Buffer.from(line)
      try {
        if (length > 0 && length + bytes.length > bytesMax) {
          shift(file)
          const fresh = open()
          closeSync(handle)
          handle = fresh
          length = 0
        }
        length += writeSync(handle, bytes)
      } catch {
        // A log that cannot be written is no reason to stop serving.
      }
    }
  }
}

function shift(file: string): void {
  for (let age = LOG_FILES_MAX - 1; age > 0; age--) {
    try {
      renameSync(age === 1 ? file : `${file}.${age - 1}`, `${file}.${age}`)
    } catch {
      // Not that many yet.
    }
  }
}

/** Of an error the message: its stack is for the file. */
function fieldText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value)
    return String(value.message)
  return JSON.stringify(value)
}

const OWN_FIELDS = new Set(['level', 'time', 'msg', 'pid'])

/** `10:20:30 warn message field=value`. */
export function forPeople(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>
  const time = String(entry['time']).slice(11, 19)
  const fields = Object.entries(entry).filter(([name]) => !OWN_FIELDS.has(name))
  const texts = fields.map(([name, value]) => ` ${name}=${fieldText(value)}`)
  const text = `${time} ${String(entry['level'])} ${String(entry['msg'])}${texts.join('')}`
  // What a peer called itself may stand in a field.
  return `${text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')}\n`
}
