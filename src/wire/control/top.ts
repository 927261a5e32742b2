/** A frame of `shoal top`: members and transfers, the busy ones first, at most as many as a screen can hold. */
import { memberCounts, MEMBER_STATES } from './rows.ts'
import { amount, flag, list, maybe, oneOf, row, text, whole, type Infer } from './schema.ts'

export const TOP_MEMBERS_MAX = 256
export const TOP_TRANSFERS_MAX = 64
/** The pieces of a content, in their order, are shown as this number of cells. */
export const TOP_CELLS = 64
/** A cell is a level from 0 (nothing is here) to this (everything is here). */
export const TOP_LEVELS = 8

const downBytesPerSecond = amount('bytes received in a second')
const upBytesPerSecond = amount('bytes sent in a second')

const topMember = row({
  id: text('peer ID'),
  name: text('name of the member'),
  state: oneOf(MEMBER_STATES, 'as this node sees it'),
  self: flag('whether the row is this node'),
  rttMs: maybe(amount('smoothed round-trip time of pings')),
  downBytesPerSecond,
  upBytesPerSecond
})
export type TopMember = Infer<typeof topMember>

const topTransfer = row({
  id: text('content ID, 64 hexadecimal digits'),
  name: text('name of the content'),
  state: text('as in status; seeding when it was complete from the start'),
  reason: maybe(text('why it is paused')),
  bytes: whole('size of the files that are wanted'),
  haveBytes: whole('how much of that is here'),
  downBytesPerSecond,
  upBytesPerSecond,
  sources: whole('members that give'),
  cells: list(whole('level'), `${TOP_CELLS} levels from 0 to ${TOP_LEVELS}; empty before the pieces are known`)
})
export type TopTransfer = Infer<typeof topTransfer>

export const topEntries = {
  id: text('peer ID'),
  name: text('name of the node'),
  uptimeSeconds: whole('since the process started'),
  rssBytes: whole('resident memory of the process'),
  downBytesPerSecond,
  upBytesPerSecond,
  states: memberCounts,
  members: list(topMember, `this node, then the busiest, at most ${TOP_MEMBERS_MAX}`),
  transfers: list(topTransfer, `the busiest first, at most ${TOP_TRANSFERS_MAX}`),
  more: row({ members: whole('members without a row'), transfers: whole('transfers without a row') })
}
export const topResult = row(topEntries)
export type TopResult = Infer<typeof topResult>
