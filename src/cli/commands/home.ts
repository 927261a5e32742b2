/** Commands on the home: init, config. They work whether a daemon runs or not. */
import { ShoalError } from '../../base/errors.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import type { SettingRow } from '../../wire/control/home.ts'
import { askDaemon, askHome, type Context } from '../context.ts'
import { table } from '../terminal/format.ts'

export async function init(context: Context, options: { name?: string; preset?: string }): Promise<void> {
  const home = await askHome(context, 'init', options)
  context.output.answer({
    json: home,
    text: () =>
      `${escapeForTerminal(home.name)} is ${home.id}\nhome ${escapeForTerminal(context.home)}, overlay ${home.overlay}\n`,
    ids: () => [home.id]
  })
}

export async function configShow(context: Context): Promise<void> {
  const { settings } = await askHome(context, 'config.show', {})
  context.output.answer({
    json: { settings },
    text: () =>
      table<SettingRow>(
        [
          { head: 'SETTING', cell: row => row.key },
          { head: 'VALUE', cell: row => row.value },
          { head: 'FROM', cell: originText },
          { head: 'WHAT', cell: row => row.help }
        ],
        settings
      ),
    ids: () => settings.map(({ key, value }) => `${key}=${escapeForTerminal(value)}`)
  })
}

function originText({ origin, variable, flag }: SettingRow): string {
  switch (origin) {
    case 'environment':
      return variable
    case 'flag':
      return flag
    case 'file':
    case 'default':
      return origin
  }
}

export async function configGet(context: Context, key: string): Promise<void> {
  const row = await askHome(context, 'config.get', { key })
  const value = escapeForTerminal(row.value)
  context.output.answer({ json: row, text: () => `${value}\n`, ids: () => [value] })
}

export async function configSet(
  context: Context,
  key: string,
  value: string | undefined,
  options: { default?: boolean }
): Promise<void> {
  if ((value === undefined) !== (options.default === true)) {
    throw new ShoalError('usage', 'config set takes a value, or --default to forget it', {
      hint: `shoal config set ${key} VALUE`
    })
  }
  const row = await askHome(context, 'config.set', value === undefined ? { key } : { key, value })
  context.output.answer({
    json: row,
    text: () => `${key} is ${escapeForTerminal(row.value)} (${originText(row)})\n`,
    ids: () => []
  })
  if (row.origin === 'environment') context.output.note(`${row.variable} is set, and goes before the file`)
  if (await isRunning(context)) context.output.note('the daemon that runs takes it up when it starts next: shoal stop')
}

async function isRunning(context: Context): Promise<boolean> {
  try {
    await askDaemon(context, 'hello', {})
    return true
  } catch {
    return false
  }
}
