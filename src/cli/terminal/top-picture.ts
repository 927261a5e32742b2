/** A frame of `shoal top` as lines of text that fit a screen. */
import { escapeForTerminal } from '../../wire/control/text.ts'
import { TOP_LEVELS, type TopMember, type TopResult, type TopTransfer } from '../../wire/control/top.ts'
import { bytesText, count, cut, rateText, secondsText, shortId, width } from './format.ts'

export type Colour = (name: 'red' | 'green' | 'yellow' | 'dim', text: string) => string

export interface Size {
  columns: number
  /** Undefined: as many as it takes. */
  rows: number | undefined
}

/** From nothing of a cell to all of it. */
const LEVELS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const
const STATE_COLOURS = { alive: 'green', suspect: 'yellow', dead: 'red', left: 'dim' } as const

const NAME_COLUMNS = { least: 8, most: 32 }
const BAR_COLUMNS = { least: 10, most: 48 }

interface Cell<T> {
  head: string
  columns: number
  text: (row: T) => string
  align?: 'left' | 'right'
  colour?: (text: string, row: T) => string
  /** On a narrow screen the highest goes first; 0 stays. */
  rank: number
}

export function topPicture(result: TopResult, { columns, rows }: Size, colour: Colour): string[] {
  const { name, uptimeSeconds, rssBytes, states, downBytesPerSecond, upBytesPerSecond } = result
  const others = (['suspect', 'dead', 'left'] as const).filter(state => states[state] > 0)
  const memberText = [`${states.alive} alive`, ...others.map(state => `${states[state]} ${state}`)].join(', ')
  const head = [
    `${escapeForTerminal(name)}  up ${secondsText(uptimeSeconds)}, ${bytesText(rssBytes)} resident`,
    `down ${rateText(downBytesPerSecond)}  up ${rateText(upBytesPerSecond)}  members: ${memberText}`
  ]
  const room = split(result, rows === undefined ? Infinity : rows - head.length)
  const lines = [
    ...head.map(line => cut(line, columns)),
    ...section('transfer', result.transfers, transferCells(columns, colour), room.transfers, result.more.transfers),
    ...section('member', result.members, memberCells(columns, colour), room.members, result.more.members)
  ]
  return rows === undefined ? lines : lines.slice(0, rows)
}

/** Lines for each list: half each, and what one does not need is the other's. Two of each are a blank and the head. */
function split({ transfers, members }: TopResult, lines: number): { transfers: number; members: number } {
  const room = Math.max(0, lines - 4)
  const half = Math.floor(room / 2)
  const forTransfers = Math.min(transfers.length, Math.max(half, room - members.length))
  return { transfers: forTransfers, members: room - forTransfers }
}

function section<T>(
  what: string,
  rows: readonly T[],
  cells: ReadonlyArray<Cell<T>>,
  room: number,
  leftOut: number
): string[] {
  if (rows.length === 0) return ['', `no ${what}s`]
  const fits = rows.length + (leftOut > 0 ? 1 : 0) <= room
  const told = rows.slice(0, fits ? rows.length : Math.max(0, room - 1))
  const more = rows.length - told.length + leftOut
  return [
    '',
    line(cells, cell => cell.head),
    ...told.map(row => line(cells, cell => cell.text(row), row)),
    ...(more > 0 && room > 0 ? [`… ${count(more, `more ${what}`)}`] : [])
  ]
}

function line<T>(cells: ReadonlyArray<Cell<T>>, text: (cell: Cell<T>) => string, row?: T): string {
  const padded = cells.map(cell => {
    const fitting = cut(text(cell), cell.columns)
    const blanks = ' '.repeat(Math.max(0, cell.columns - width(fitting)))
    const styled = row === undefined || cell.colour === undefined ? fitting : cell.colour(fitting, row)
    return cell.align === 'right' ? blanks + styled : styled + blanks
  })
  return padded.join('  ').trimEnd()
}

function transferCells(columns: number, colour: Colour): Array<Cell<TopTransfer>> {
  const rate = (head: string, of: (row: TopTransfer) => number, rank: number): Cell<TopTransfer> => ({
    ...{ head, columns: 11, text: row => rateCell(of(row)), align: 'right', rank }
  })
  return fitted(columns, [
    { head: 'TRANSFER', columns: NAME_COLUMNS.least, text: row => nameText(row), rank: 0 },
    { head: 'STATE', columns: 10, text: stateText, colour: (text, row) => stateColour(text, row, colour), rank: 4 },
    { head: 'PIECES', columns: BAR_COLUMNS.least, text: () => '', rank: 1 },
    { head: 'HAVE', columns: 6, text: percentText, align: 'right', rank: 0 },
    { head: 'OF', columns: 8, text: row => bytesText(row.bytes), align: 'right', rank: 5 },
    rate('DOWN', row => row.downBytesPerSecond, 2),
    rate('UP', row => row.upBytesPerSecond, 3),
    { head: 'FROM', columns: 4, text: row => String(row.sources), align: 'right', rank: 6 }
  ]).map(cell =>
    cell.head === 'PIECES' ? { ...cell, text: (row: TopTransfer) => barText(row.cells, cell.columns) } : cell
  )
}

function memberCells(columns: number, colour: Colour): Array<Cell<TopMember>> {
  const rate = (head: string, of: (row: TopMember) => number, rank: number): Cell<TopMember> => ({
    ...{ head, columns: 11, text: row => (row.self ? '' : rateCell(of(row))), align: 'right', rank }
  })
  const rtt = ({ rttMs }: TopMember): string => (rttMs === undefined ? '' : `${rttMs.toFixed(1)} ms`)
  return fitted(columns, [
    { head: 'MEMBER', columns: NAME_COLUMNS.least, text: row => memberName(row), rank: 0 },
    {
      head: 'STATE',
      columns: 7,
      text: row => row.state,
      colour: (text, row) => colour(STATE_COLOURS[row.state], text),
      rank: 0
    },
    { head: 'PING', columns: 9, text: rtt, align: 'right', rank: 3 },
    rate('DOWN', row => row.downBytesPerSecond, 1),
    rate('UP', row => row.upBytesPerSecond, 2),
    { head: 'ID', columns: 52, text: row => escapeForTerminal(row.id), rank: 4 }
  ])
}

/** Takes away what does not fit; then the name and the bar share what is left. */
function fitted<T>(columns: number, cells: ReadonlyArray<Cell<T>>): Array<Cell<T>> {
  let kept = [...cells]
  const needed = (): number => kept.reduce((sum, cell) => sum + cell.columns + 2, -2)
  while (needed() > columns) {
    const least = kept.reduce((worst, cell) => (cell.rank > worst.rank ? cell : worst))
    if (least.rank === 0) break
    kept = kept.filter(cell => cell !== least)
  }
  const widen = (at: number, most: number): void => {
    const cell = kept[at]
    if (cell === undefined) return
    kept[at] = { ...cell, columns: Math.min(most, cell.columns + Math.max(0, columns - needed())) }
  }
  const bar = kept.findIndex(({ head }) => head === 'PIECES')
  widen(0, bar < 0 ? NAME_COLUMNS.most : NAME_COLUMNS.most / 2)
  widen(bar, BAR_COLUMNS.most)
  widen(0, NAME_COLUMNS.most)
  return kept
}

/** The cells, gathered or spread to so many columns, between two edges. */
export function barText(cells: readonly number[], columns: number): string {
  const inner = columns - 2
  if (cells.length === 0 || inner < 1) return ''
  const letters = Array.from({ length: inner }, (_, at) => {
    const first = Math.floor((at * cells.length) / inner)
    const end = Math.max(first + 1, Math.floor(((at + 1) * cells.length) / inner))
    const part = cells.slice(first, end)
    const mean = part.reduce((sum, level) => sum + level, 0) / part.length
    // Rounded down, but for what has begun: full is for what is whole.
    return LEVELS[Math.min(TOP_LEVELS, mean > 0 ? Math.max(1, Math.floor(mean)) : 0)] ?? ' '
  })
  return `▕${letters.join('')}▏`
}

function nameText({ name, id }: TopTransfer): string {
  return name === '' ? shortId(id) : escapeForTerminal(name)
}

function memberName({ name, self }: TopMember): string {
  return self ? `${escapeForTerminal(name)} (this)` : escapeForTerminal(name)
}

function stateText({ state, reason }: TopTransfer): string {
  return escapeForTerminal(reason ?? state)
}

function stateColour(text: string, { state }: TopTransfer, colour: Colour): string {
  if (state === 'paused') return colour('yellow', text)
  return state === 'fetching' || state === 'finishing' ? colour('green', text) : text
}

/** Rounded down: 100 % is for what is whole. */
function percentText({ bytes, haveBytes }: TopTransfer): string {
  return `${Math.floor(bytes === 0 ? 100 : (haveBytes / bytes) * 100)} %`
}

function rateCell(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? '-' : rateText(bytesPerSecond)
}
