/** The settings of all rooms from what the members of an overlay agree on, and what this node decides itself. */
import { REPLICAS_MAX } from '../../wire/ring.ts'
import { PRESETS, type OverlaySettings } from '../../wire/ticket.ts'
import type { OwnSettings } from './room.ts'
import { table, type NodeSettings } from './table.ts'

export function settingsOf(overlay: OverlaySettings, own: OwnSettings): NodeSettings {
  const settings = Object.entries(table).map(([name, room]) => [name, room.settings(overlay, own)] as const)
  return Object.fromEntries(settings) as unknown as NodeSettings
}

/** What this version can honour of the settings of an overlay. A room that is added to `settingsOf` is added here. */
const SUPPORTED: { readonly [K in Exclude<keyof OverlaySettings, 'replicas'>]: ReadonlyArray<OverlaySettings[K]> } = {
  preset: PRESETS,
  detector: ['swim'],
  routing: ['chord'],
  choking: ['cluster']
}

/**
 * The settings that `settingsOf` would have to ignore, each in words with what is supported. A member that works by other
 * settings than the rest harms all of them: such an overlay is not joined.
 */
export function unsupportedSettings(overlay: OverlaySettings): string[] {
  const unsupported: string[] = []
  for (const [name, supported] of Object.entries(SUPPORTED)) {
    const value = overlay[name as keyof typeof SUPPORTED]
    if ((supported as readonly string[]).includes(value)) continue
    unsupported.push(`${name} ${value} is not supported; supported: ${supported.join(', ')}`)
  }
  const { replicas } = overlay
  if (replicas < 1 || replicas > REPLICAS_MAX)
    unsupported.push(`replicas ${replicas} is not supported; supported: 1 to ${REPLICAS_MAX}`)
  return unsupported
}
