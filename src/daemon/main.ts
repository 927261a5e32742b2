/**
 * The entry of the daemon's process, started by the command line:
 *
 *     main daemon --home DIR --report text|json|quiet [--detached] [--SETTING TEXT]…
 *     main home METHOD --home DIR            with the parameters as JSON on stdin
 *
 * Answers are lines of the control API on stdout, unless the report is a text. The exit status says how it ended.
 */
import { parseArgs } from 'node:util'
import { ShoalError } from '../base/errors.ts'
import { CONTROL_BODY_BYTES_MAX, CONTROL_VERSION, errorLine } from '../wire/control/methods.ts'
import { exitStatus } from '../wire/control/exit.ts'
import { isHomeMethod, parseHomeParams, type HomeMethod, type HomeResult } from '../wire/control/home.ts'
import { SETTING_KEYS } from '../wire/control/settings.ts'
import { errorText, readyText } from '../wire/control/text.ts'
import type { Told } from './home/config.ts'
import type { Daemon } from './daemon.ts'
import { homeMethods } from './home/home-methods.ts'

const settings = Object.fromEntries(SETTING_KEYS.map(key => [key, { type: 'string' as const }]))
/** For the last words of the process. */
const FLUSH_MS_MAX = 2_000

const options = {
  home: { type: 'string', default: '' },
  report: { type: 'string', default: 'json' },
  detached: { type: 'boolean', default: false }
} as const

// Not strict: it is started by the command line, which has told a person what is wrong with the words already.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { ...settings, ...options }
})
const { home, report, detached } = values as { home: string; report: string; detached: boolean }

// Whoever listened may be gone: after a detached start nobody reads stdout any more.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)

try {
  if (positionals[0] === 'daemon') {
    // Only this one needs a whole node in memory; `shoal init` is to be quick.
    const { daemonProcess } = await import('./process/process.ts')
    await daemonProcess({
      dir: home,
      flags: toldFlags(),
      foreground: !detached && report !== 'quiet',
      onReady: sayReady
    })
  } else {
    say(await answer(positionals[1] ?? '', await stdinText()))
  }
  end(0)
} catch (error) {
  const told = error instanceof ShoalError ? error : fault(error)
  if (report === 'json') say(errorLine(told))
  else process.stderr.write(errorText(told))
  end(exitStatus(told.code))
}

function toldFlags(): Told {
  const flags: Told = {}
  for (const key of SETTING_KEYS) {
    const text = (values as Record<string, unknown>)[key]
    if (typeof text === 'string') flags[key] = text
  }
  return flags
}

function sayReady({ id, name, addresses }: Daemon): void {
  if (report === 'json') say({ v: CONTROL_VERSION, id, addresses, ready: true, name })
  else process.stdout.write(report === 'quiet' ? `${id}\n` : readyText({ id, name, addresses }))
}

async function answer(method: string, body: string): Promise<object> {
  if (!isHomeMethod(method)) throw new ShoalError('usage', `there is no method ${JSON.stringify(method)} of a home`)
  return { v: CONTROL_VERSION, ...(await run(method, body)) }
}

/** Generic, so that the parameters and the method are known to fit. */
async function run<M extends HomeMethod>(method: M, body: string): Promise<HomeResult<M>> {
  return homeMethods[method](home, parseHomeParams(method, JSON.parse(body)))
}

async function stdinText(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk as string
    if (text.length > CONTROL_BODY_BYTES_MAX) throw new ShoalError('limit', 'a call has at most 1 MiB')
  }
  return text
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** Stacks are for whoever asks. */
function fault(error: unknown): ShoalError {
  if (process.env['SHOAL_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  const what = error instanceof Error ? error.message : String(error)
  return new ShoalError('internal', `a fault of Shoal: ${what}`, { hint: 'SHOAL_DEBUG=1 shows where', cause: error })
}

/**
 * Ends the process once stdout has taken what was said: a daemon has timers and sockets that would keep it. A reader that
 * takes nothing does not keep it either.
 */
function end(status: number): void {
  process.exitCode = status
  setTimeout(() => process.exit(status), FLUSH_MS_MAX)
  process.stdout.write('', () => process.exit(status))
}
