/** Commands on the daemon's process: daemon, stop. */
import { readFileSync } from 'node:fs'
import { ShoalError } from '../../base/errors.ts'
import { flagName, parseSetting, SETTING_KEYS, type SettingKey } from '../../wire/control/settings.ts'
import type { Ready } from '../../wire/control/home.ts'
import { readyText } from '../../wire/control/text.ts'
import { askDaemon, askHome, eventually, noteIfSlow, type Context } from '../context.ts'
import { becomeDaemon, isHome, logFolder, startDetached } from '../start.ts'

/** A daemon ends within 10 s. */
const STOP_TIMEOUT_MS = 12_000

export type SettingFlags = Partial<Record<SettingKey, string>>

export async function daemon(context: Context, flags: SettingFlags, detach: boolean): Promise<void> {
  const args = flagsOf(flags)
  const { home, output } = context
  if (!detach) becomeDaemon({ home, flags: args, report: output.mode })
  answerReady(context, await detached(context, args))
}

/** Makes the home first where there is none, so that there is a place for what a failing start says. */
export async function detached(context: Context, flags: readonly string[]): Promise<Ready> {
  const { home, output, signal } = context
  if (!isHome(home)) await askHome(context, 'init', {})
  return noteIfSlow(output, 'the daemon to be ready', startDetached({ home, flags, signal }))
}

export function answerReady({ home, output }: Context, { id, name, addresses }: Ready): void {
  output.answer({
    json: { id, addresses, ready: true, name },
    text: () => readyText({ id, name, addresses }),
    ids: () => [id]
  })
  output.note(`its log is in ${logFolder(home)}`)
}

/** Checked here too: a mistyped flag should not cost a start. */
function flagsOf(flags: SettingFlags): string[] {
  return SETTING_KEYS.flatMap(key => {
    const text = flags[key]
    if (text === undefined) return []
    parseSetting(key, text, flagName(key))
    // One word, so that a value that begins with a dash stays a value.
    return [`${flagName(key)}=${text}`]
  })
}

export async function stop(context: Context): Promise<void> {
  const { output, signal, home } = context
  const { pid } = await askDaemon(context, 'hello', {})
  await askDaemon(context, 'stop', {})
  const ending = eventually(async () => !isAlive(pid), STOP_TIMEOUT_MS, signal)
  const hasEnded = await noteIfSlow(output, 'the daemon to say goodbye and end', ending)
  if (signal.aborted) throw new ShoalError('interrupted', 'interrupted; the daemon stops all the same')
  if (!hasEnded) {
    throw new ShoalError('timeout', `the daemon (process ${pid}) has not ended after ${STOP_TIMEOUT_MS / 1000} s`, {
      hint: `its log is in ${logFolder(home)}; kill ${pid} ends it`
    })
  }
  output.answer({ json: { stopped: true }, text: () => 'stopped\n', ids: () => [] })
}

/** A process that has ended and that nobody has waited for yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
