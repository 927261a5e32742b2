/** The settings of all rooms from what the members of an overlay agree on. */
import type { OverlaySettings } from '../../wire/ticket.ts'
import { exchangeDefaults } from '../exchange/settings.ts'
import { PRESETS } from '../membership/settings.ts'
import { RING_DEFAULTS } from '../ring/settings.ts'
import { RECORDS_DEFAULTS } from '../records/settings.ts'
import { SEARCH_DEFAULTS } from '../search/settings.ts'
import type { NodeSettings } from './node.ts'

export function settingsOf(overlay: OverlaySettings, own: { uploadsMax: number }): NodeSettings {
  const { preset, replicas } = overlay
  return {
    membership: PRESETS[preset],
    ring: { ...RING_DEFAULTS, replicas },
    records: { ...RECORDS_DEFAULTS, replicas },
    exchange: { ...exchangeDefaults, uploadsMax: own.uploadsMax },
    search: SEARCH_DEFAULTS
  }
}
