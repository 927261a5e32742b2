/** The entry of the command line: words in, one exit status out. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { CommanderError } from 'commander'
import { ShoalError } from '../base/errors.ts'
import { exitStatus } from '../wire/control/exit.ts'
import { homeFolder } from '../wire/control/home.ts'
import type { Context } from './context.ts'
import { Output, type Mode } from './terminal/output.ts'
import { buildProgram, type GlobalOptions } from './program.ts'
import { openStandardStreams } from './terminal/standard-streams.ts'
import { homeTransport, socketTransport } from './client/transport.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const env = process.env
const words = process.argv.slice(2)

const { stdout, stderr, terminal } = openStandardStreams()

/** Until a command has been read, what it will want is guessed from the words. */
let output = outputFor(words.includes('--json') ? 'json' : 'text')

process.on('uncaughtException', error => {
  end(error)
  process.exit()
})

try {
  await buildProgram(run, version(), text => stdout.write(text)).parseAsync(words, { from: 'user' })
} catch (error) {
  end(error)
}

function end(error: unknown): void {
  const told = toldError(error)
  if (told === undefined) return
  output.error(told)
  process.exitCode = exitStatus(told.code)
}

async function run(globals: GlobalOptions, work: (context: Context) => Promise<void>): Promise<void> {
  if (globals.json === true && globals.quiet === true) {
    throw new ShoalError('usage', '--json and -q are two answers to one question', { hint: 'give one of them' })
  }
  output = outputFor(globals.json === true ? 'json' : globals.quiet === true ? 'quiet' : 'text')
  const flag = globals.home
  const home = path.resolve(homeFolder({ flag, env }))
  const startHint = flag === undefined ? 'shoal daemon --detach' : `shoal --home ${quoted(flag)} daemon --detach`
  const { signal, forget } = interruption()
  try {
    await work({
      ...{ output, home, startHint, signal, version: version(), cwd: process.cwd(), stdout, stderr, terminal },
      // Made when it is looked at, and most commands never do.
      get stdin() {
        return process.stdin
      },
      daemon: socketTransport(home, startHint),
      homeProcess: homeTransport(home),
      exit: status => {
        process.exitCode = status
      }
    })
  } finally {
    forget()
  }
}

function outputFor(mode: Mode): Output {
  return new Output({ stdout, stderr, mode, env })
}

/** As a shell wants it. */
function quoted(word: string): string {
  return /^[\w./~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** The first signal asks the command to end, the second one ends it. */
function interruption(): { signal: AbortSignal; forget: () => void } {
  const abort = new AbortController()
  const heard = (name: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(exitStatus('interrupted'))
    abort.abort(name)
  }
  for (const name of SIGNALS) process.on(name, heard)
  return {
    signal: abort.signal,
    forget: () => {
      for (const name of SIGNALS) process.off(name, heard)
    }
  }
}

/** Undefined when all was said: help, the version. */
function toldError(error: unknown): ShoalError | undefined {
  if (error instanceof ShoalError) {
    debug(error)
    return error
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined
    const isHelp = error.code === 'commander.help'
    const message = isHelp ? 'a command is missing' : error.message.replace(/^error: /, '').replaceAll('\n', ' ')
    return new ShoalError('usage', message, {
      hint: 'shoal --help lists the commands, shoal COMMAND --help explains one'
    })
  }
  debug(error)
  const what = error instanceof Error ? error.message : String(error)
  return new ShoalError('internal', `a fault of Shoal: ${what}`, { hint: 'SHOAL_DEBUG=1 shows where' })
}

/** Stacks are for whoever asks. */
function debug(error: unknown): void {
  if (env['SHOAL_DEBUG'] === '1' && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`)
}

function version(): string {
  const manifest = readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
