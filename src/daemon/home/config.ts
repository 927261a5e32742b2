/** The settings of a home, each from the first place that has it: flag, variable, config file, default. */
import os from 'node:os'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { NAME_BYTES_MAX } from '../../wire/common.ts'
import type { SettingRow } from '../../wire/control/home.ts'
import {
  flagName,
  parseSetting,
  SETTING_KEYS,
  settingKey,
  SETTINGS,
  variableName,
  type SettingKey,
  type Settings
} from '../../wire/control/settings.ts'
import { parseJsonObject, readSmallFile, writeFileAtomic } from './files.ts'

const CONFIG_FILE = 'config.json'

/** Texts as people type them. */
export type Told = Partial<Record<SettingKey, string>>
type Env = Readonly<Record<string, string | undefined>>

export interface Config {
  readonly settings: Settings
  /** Of every key, in the order of the schema. */
  readonly rows: readonly SettingRow[]
}

/** Throws ShoalError `usage` that names the place of a text that is invalid. */
export function resolveConfig(home: string, from: { flags?: Told; env?: Env } = {}): Config {
  const { flags = {}, env = process.env } = from
  const file = readConfigFile(home)
  const rows: SettingRow[] = []
  const settings: Partial<Record<SettingKey, unknown>> = {}
  for (const key of SETTING_KEYS) {
    const { value, origin, source } = find(key, { flags, env, file, home })
    settings[key] = parseSetting(key, value, source)
    rows.push({ key, value, origin, flag: flagName(key), variable: variableName(key), help: SETTINGS[key].help })
  }
  return { settings: settings as Settings, rows }
}

interface Found {
  value: string
  origin: SettingRow['origin']
  /** For messages. */
  source: string
}

function find(key: SettingKey, from: { flags: Told; env: Env; file: Told; home: string }): Found {
  const flag = from.flags[key]
  if (flag !== undefined) return { value: flag, origin: 'flag', source: flagName(key) }
  const variable = from.env[variableName(key)]
  // An empty variable is how a shell says "not set".
  if (variable !== undefined && variable !== '') {
    return { value: variable, origin: 'environment', source: variableName(key) }
  }
  const kept = from.file[key]
  if (kept !== undefined) return { value: kept, origin: 'file', source: `${configPath(from.home)}, "${key}"` }
  return { value: SETTINGS[key].fallback ?? hostName(), origin: 'default', source: `the default of ${key}` }
}

export function settingRow(config: Config, text: string): SettingRow {
  const key = settingKey(text)
  const row = config.rows.find(one => one.key === key)
  if (row === undefined) throw new ShoalError('internal', `no row for ${key}`)
  return row
}

/** Keeps the texts in the config file; undefined takes a key out. Throws ShoalError `usage` before anything is written. */
export function keepSettings(home: string, texts: { readonly [K in SettingKey]?: string | undefined }): void {
  const file = readConfigFile(home)
  const kept: Told = {}
  let changed = false
  for (const key of SETTING_KEYS) {
    const text = Object.hasOwn(texts, key) ? texts[key] : file[key]
    if (text !== undefined) parseSetting(key, text, key)
    if (text !== undefined) kept[key] = text
    changed ||= text !== file[key]
  }
  if (changed) writeFileAtomic(configPath(home), `${JSON.stringify(kept, undefined, 2)}\n`)
}

function readConfigFile(home: string): Told {
  const file = configPath(home)
  const text = readSmallFile(file)
  if (text === undefined) return {}
  const kept: Told = {}
  for (const [name, value] of Object.entries(parseJsonObject(text, file))) {
    const key = SETTING_KEYS.find(one => one === name)
    if (key === undefined || (typeof value !== 'string' && typeof value !== 'number')) {
      throw new ShoalError('bad-input', `${file}: ${JSON.stringify(name)} is no setting with a text or a number`, {
        hint: `settings: ${SETTING_KEYS.join(', ')}`
      })
    }
    kept[key] = String(value)
  }
  return kept
}

export function configPath(home: string): string {
  return path.join(home, CONFIG_FILE)
}

/** Cut to what a name may be; a host without a name is called `node`. */
function hostName(): string {
  const name = os.hostname().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
  let cut = ''
  for (const letter of name) {
    if (Buffer.byteLength(cut + letter) > NAME_BYTES_MAX) break
    cut += letter
  }
  return cut === '' ? 'node' : cut
}
