/**
 * The process around a daemon: from flags to a node that is ready, from a signal to a clean end. The first SIGTERM, SIGINT or
 * SIGHUP stops it, the second one ends it at once; so does a stop that takes too long.
 */
import type { Logger } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import { GUARDIAN_VARIABLE } from '../../wire/control/home.ts'
import { keepSettings, resolveConfig, type Config, type Told } from '../home/config.ts'
import { runDaemon, type Daemon, type DaemonOptions } from '../daemon.ts'
import { ensureHome, found, homePaths, join, lockHome, type Home } from '../home/home.ts'
import { refuseUnsupported } from '../home/overlay.ts'
import { openLog } from './log.ts'
import type { RuntimeSeams } from '../node/runtime.ts'
import { waitForTicket } from '../node/ticket-files.ts'

/** Under the 10 s that are promised. */
const STOP_TIMEOUT_MS = 9_000
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** How soon a daemon ends after the process that stands for it was killed. */
const GUARDIAN_CHECK_MS = 250

export interface DaemonRun {
  dir: string
  flags: Told
  /** Whether the log goes to stderr too. */
  foreground: boolean
  onReady: (daemon: Daemon) => void
  /** For peers that misbehave in tests. */
  seams?: RuntimeSeams
}

/**
 * Resolves when the daemon has stopped. Throws ShoalError when it cannot start, and a fault of ours as it came: a node that is
 * wrong about itself does not go on, nor does it say goodbye.
 */
export async function daemonProcess({ dir, flags, foreground, onReady, seams }: DaemonRun): Promise<void> {
  const stopSignal = firstSignal()
  endWithGuardian()
  const lock = lockHome(dir)
  try {
    const fresh = ensureHome(dir)
    const config = resolveConfig(dir, { flags })
    const people = foreground ? { people: process.stderr } : {}
    const log = openLog({ folder: homePaths(dir).logs, level: config.settings['log-level'], ...people })
    const { fault, report } = faults(log)
    const tooLate = lateAfter(stopSignal)
    const home = await Promise.race([settled(fresh, { config, log, stopSignal }), fault])
    if (home === undefined) return
    const daemon = await Promise.race([
      started({ home, config, log, onFault: report, ...(seams === undefined ? {} : { seams }) }),
      fault,
      tooLate
    ])
    keepChoice(dir, flags, log)
    onReady(daemon)
    await Promise.race([stopSignal, daemon.stopAsked, fault])
    await Promise.race([daemon.stop(), fault, lateAfter(Promise.resolve())])
    log.info('stopped')
  } finally {
    lock.release()
  }
}

/**
 * The home with an overlay: its own, else that of the ticket it is told to wait for, else one that it founds. Undefined when it
 * was stopped before the ticket came.
 */
async function settled(
  home: Home,
  { config, log, stopSignal }: { config: Config; log: Logger; stopSignal: Promise<void> }
): Promise<DaemonOptions['home'] | undefined> {
  const file = config.settings['ticket-file']
  if (home.overlay !== undefined || file === undefined) return found(home, 'lan')
  const stop = new AbortController()
  stopSignal.then(
    () => {
      stop.abort()
    },
    () => undefined
  )
  const onWait = (): void => {
    log.info({ file }, 'waiting for a ticket')
  }
  try {
    const ticket = await waitForTicket(file, { signal: stop.signal, onWait })
    if (ticket === undefined) log.info('stopped before a ticket came')
    return ticket && join(home, ticket)
  } catch (error) {
    if (error instanceof ShoalError) log.error({ code: error.code }, error.message)
    throw error
  }
}

/** Where to listen was told once: the next start needs no flag. Only a start that went well is kept. */
function keepChoice(dir: string, { listen, advertise }: Told, log: Logger): void {
  const told = { ...(listen === undefined ? {} : { listen }), ...(advertise === undefined ? {} : { advertise }) }
  try {
    keepSettings(dir, told)
  } catch (error) {
    // It runs, and that is worth more than the next start.
    if (!(error instanceof ShoalError)) throw error
    log.warn({ code: error.code, ...told }, `the choice is not kept: ${error.message}`)
  }
}

function firstSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = false
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (asked) process.kill(process.pid, 'SIGKILL')
        asked = true
        resolve()
      })
    }
  })
}

/**
 * `fault` rejects with the first fault: what the daemon reports, what nobody caught, and the rejection of a promise that
 * nobody handled. A process that goes on after one would work with a state that nothing vouches for; a restart is safe, for
 * what the others rely on was written before it was said.
 */
function faults(log: Logger): { fault: Promise<never>; report: (error: unknown) => void } {
  const { promise: fault, reject } = Promise.withResolvers<never>()
  const report = (error: unknown): void => {
    // A stack tells more than a text; whatever else is thrown has none.
    const err = error instanceof Error ? error : new Error(String(error))
    log.fatal({ err }, `the daemon ends: ${err.message}`)
    reject(err)
  }
  process.on('uncaughtException', report)
  process.on('unhandledRejection', report)
  // It may be reported while nobody waits for it.
  fault.catch(() => undefined)
  return { fault, report }
}

async function started(options: DaemonOptions): Promise<Daemon> {
  try {
    const { dir, overlay } = options.home
    refuseUnsupported(overlay.settings, `the overlay of ${dir}`)
    return await runDaemon(options)
  } catch (error) {
    if (error instanceof ShoalError) options.log.error({ code: error.code }, error.message)
    throw error
  }
}

/** Rejects when a stop that `begins` has taken too long, whatever the daemon is at. */
function lateAfter(begins: Promise<void>): Promise<never> {
  return new Promise((_, reject) => {
    begins.then(() => {
      const seconds = STOP_TIMEOUT_MS / 1000
      const late = new ShoalError('timeout', `the daemon did not stop within ${seconds} s, and was ended`)
      setTimeout(() => {
        reject(late)
      }, STOP_TIMEOUT_MS).unref()
    }, reject)
  })
}

/** Killing the process that people see kills the node, as if they were one. */
function endWithGuardian(): void {
  const guardian = process.env[GUARDIAN_VARIABLE] ?? ''
  if (guardian === '') return
  const timer = setInterval(() => {
    if (String(process.ppid) !== guardian) process.kill(process.pid, 'SIGKILL')
  }, GUARDIAN_CHECK_MS)
  timer.unref()
}
