/** What `shoal top` is told each second: members and transfers, the busy ones first, no more than a screen could hold. */

export const TOP_MEMBERS_MAX = 256
export const TOP_TRANSFERS_MAX = 64
/** A content's pieces in their order, gathered into so many cells, … */
export const TOP_CELLS = 64
/** … each from 0, nothing of it is here, to this, all of it. */
export const TOP_LEVELS = 8

export interface TopMember {
  id: string
  name: string
  state: 'alive' | 'suspect' | 'dead' | 'left'
  self: boolean
  /** Smoothed, of pings. */
  rttMs?: number
  downBytesPerSecond: number
  upBytesPerSecond: number
}

export interface TopTransfer {
  id: string
  name: string
  /** As in TransferRow; `seeding` for what was whole from the start. */
  state: string
  reason?: string
  bytes: number
  haveBytes: number
  downBytesPerSecond: number
  upBytesPerSecond: number
  sources: number
  /** TOP_CELLS levels; none before its pieces are known. */
  cells: number[]
}

export interface TopResult {
  id: string
  name: string
  uptimeSeconds: number
  rssBytes: number
  downBytesPerSecond: number
  upBytesPerSecond: number
  states: { alive: number; suspect: number; dead: number; left: number }
  members: TopMember[]
  transfers: TopTransfer[]
  /** Left out of the lists above. */
  more: { members: number; transfers: number }
}
