/** The settings of all rooms from what the members of an overlay agree on, and what this node decides itself. */
import type { OverlaySettings } from '../../wire/ticket.ts'
import type { OwnSettings } from './room.ts'
import { table, type NodeSettings } from './table.ts'

export function settingsOf(overlay: OverlaySettings, own: OwnSettings): NodeSettings {
  const settings = Object.entries(table).map(([name, room]) => [name, room.settings(overlay, own)] as const)
  return Object.fromEntries(settings) as unknown as NodeSettings
}
