/**
 * service: the node as a service of its user under systemd. `install` writes a unit and starts it, `remove` undoes that, `print`
 * shows the unit; --system shows one for the whole machine. A home that is not the usual one has a unit of its own.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { sha256Hex, utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { homeFolder } from '../../wire/control/home.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'
import { askDaemon, type Context } from '../context.ts'
import { hasUserManager, systemctl } from '../service/systemd.ts'
import { systemUnit, UNIT_MARK, userUnit, type Unit } from '../service/unit.ts'
import { NoDaemonError } from '../client/transport.ts'

/** Where a unit with StateDirectory=shoal keeps its files. */
const SYSTEM_HOME = '/var/lib/shoal'
/** Of the home's hash, in the name of its unit. */
const HASH_DIGITS = 8

type Env = Readonly<Record<string, string | undefined>>

export async function service(context: Context, action: string, options: { system?: boolean }): Promise<void> {
  if (options.system === true && action !== 'print') {
    throw new ShoalError('usage', '--system goes with print: root writes the units of a machine', {
      hint: 'shoal service print --system | sudo tee /etc/systemd/system/shoal.service'
    })
  }
  switch (action) {
    case 'install':
      await install(context)
      return
    case 'remove':
      remove(context)
      return
    case 'print':
      print(context, options.system === true)
      return
    default:
      throw new ShoalError('usage', `service cannot ${JSON.stringify(action)}`, { hint: 'install, remove or print' })
  }
}

function print({ output, home }: Context, system: boolean): void {
  const unit = system ? systemUnit(unitOf(SYSTEM_HOME)) : userUnit(unitOf(home))
  output.answer({ json: { unit }, text: () => unit, ids: () => [] })
}

async function install(context: Context): Promise<void> {
  const { output, home } = context
  const { file, name } = placeOf(home, process.env)
  const unit = userUnit(unitOf(home))
  refuseForeign(file)
  if (!hasUserManager()) {
    output.note(`without systemd nothing was done; with it this would be ${escapeForTerminal(file)}:\n\n${unit}`)
    throw new ShoalError('unreachable', 'no service manager of this user answers (systemctl --user)', {
      hint: `there: write that file, then systemctl --user daemon-reload && systemctl --user enable --now ${name}; here: shoal daemon --detach`
    })
  }
  write(file, unit)
  systemctl('daemon-reload')
  const running = await isRunning(context)
  systemctl('enable', ...(running ? [] : ['--now']), name)
  output.answer({
    json: { installed: true, file, unit: name, started: !running },
    text: () => `${name} is installed${running ? '' : ' and runs'}: ${escapeForTerminal(file)}\n`,
    ids: () => [name]
  })
  if (running) output.note(`a daemon runs already: shoal stop, then systemctl --user start ${name}`)
  output.note('it runs while this user is logged in; loginctl enable-linger keeps it running after that')
}

function remove({ output, home }: Context): void {
  const { file, name } = placeOf(home, process.env)
  if (!existsSync(file)) {
    throw new ShoalError('not-found', `there is no service for ${home}: no ${file}`, {
      hint: 'shoal service install makes one; another home has another: shoal --home DIR service remove'
    })
  }
  refuseForeign(file)
  const managed = hasUserManager()
  if (managed) systemctl('disable', '--now', name)
  rmSync(file)
  if (managed) systemctl('daemon-reload')
  output.answer({
    json: { removed: true, file, unit: name },
    text: () => `${name} is removed; the home stays: ${escapeForTerminal(home)}\n`,
    ids: () => [name]
  })
  if (!managed) output.note('no service manager answers: what it may have started goes on')
}

/** The unit's file and name. XDG: ~/.config unless told otherwise. */
function placeOf(home: string, env: Env): { file: string; name: string } {
  const isUsual = home === path.resolve(homeFolder({ flag: undefined, env: { ...env, SHOAL_HOME: undefined } }))
  const name = isUsual ? 'shoal.service' : `shoal-${sha256Hex(utf8(home)).slice(0, HASH_DIGITS)}.service`
  const told = env['XDG_CONFIG_HOME'] ?? ''
  const config = told.startsWith('/') ? told : path.join(env['HOME'] ?? '/', '.config')
  return { file: path.join(config, 'systemd', 'user', name), name }
}

/** The program as it is installed here: systemd looks nothing up, and starts in another folder. */
function unitOf(home: string): Unit {
  const program = path.resolve(import.meta.dirname, '../../../bin/shoal.js')
  return { command: [process.execPath, program, '--home', home, 'daemon'], home }
}

function refuseForeign(file: string): void {
  if (!existsSync(file) || readFileSync(file, 'utf8').startsWith(UNIT_MARK)) return
  throw new ShoalError('conflict', `${file} was not made by shoal service`, {
    hint: 'move it away, or keep it as it is'
  })
}

function write(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}.tmp`
  writeFileSync(fresh, text)
  renameSync(fresh, file)
}

async function isRunning(context: Context): Promise<boolean> {
  try {
    await askDaemon(context, 'hello', {})
    return true
  } catch (error) {
    if (error instanceof NoDaemonError) return false
    throw error
  }
}
