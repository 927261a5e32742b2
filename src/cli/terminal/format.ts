/** Sizes, times and tables, for people. */
import stringWidth from 'string-width'
import { greatest } from '../../base/numbers.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const

/** Binary units with three digits at least: 0 B, 999 B, 1.50 KiB, 15.0 MiB, 150 GiB. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  // 1023.5 would print as 1024.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

/** 0.4 s, 12 s, 2 min 5 s, 3 h 20 min, 4 d 1 h. */
export function secondsText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const scales = [
    { size: 86_400, name: 'd', below: { size: 3_600, name: 'h' } },
    { size: 3_600, name: 'h', below: { size: 60, name: 'min' } },
    { size: 60, name: 'min', below: { size: 1, name: 's' } }
  ]
  const scale = scales.find(({ size }) => whole >= size)
  if (scale === undefined) return `${whole} s`
  const { size, name, below } = scale
  const rest = Math.floor((whole % size) / below.size)
  return `${Math.floor(whole / size)} ${name}${rest === 0 ? '' : ` ${rest} ${below.name}`}`
}

/** What is mostly far below a second: 40 ms, 1.2 s. */
export function elapsedText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : secondsText(ms / 1_000)
}

/** `1 file`, `2 files`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

/** Long enough to be unique among what one looks at, and for `get`. */
export function shortId(id: string): string {
  return id.slice(0, 16)
}

export interface Column<T> {
  head: string
  /** Raw: the table escapes it. */
  cell: (row: T) => string
  align?: 'left' | 'right'
  /** Escape codes of a terminal, put around the padded cell. */
  style?: (text: string, row: T) => string
}

/** Lines with a head, columns two blanks apart, no blanks at the end. */
export function table<T>(columns: ReadonlyArray<Column<T>>, rows: readonly T[]): string {
  const cells = rows.map(row => columns.map(({ cell }) => escapeForTerminal(cell(row))))
  const widths = columns.map(({ head }, at) =>
    greatest(
      width(head),
      cells.map(row => width(row[at] ?? ''))
    )
  )
  const line = (texts: readonly string[], row?: T): string => {
    const padded = columns.map(({ align, style }, at) => {
      const text = texts[at] ?? ''
      const blanks = ' '.repeat((widths[at] ?? 0) - width(text))
      const styled = row === undefined || style === undefined ? text : style(text, row)
      return align === 'right' ? blanks + styled : styled + blanks
    })
    return `${padded.join('  ').trimEnd()}\n`
  }
  return line(columns.map(({ head }) => head)) + rows.map((row, at) => line(cells[at] ?? [], row)).join('')
}

const SEGMENTS = new Intl.Segmenter()

/** Columns that a terminal gives the text: two for East Asian wide and full-width letters and for emoji, none for marks. */
export function width(text: string): number {
  return stringWidth(text)
}

/** What fits into so many columns. */
export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text
  let kept = ''
  let used = 0
  for (const { segment } of SEGMENTS.segment(text)) {
    used += width(segment)
    if (used > columns - 1) break
    kept += segment
  }
  return `${kept}…`
}
