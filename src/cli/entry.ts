/** The program that a daemon's process runs. */
import path from 'node:path'

/**
 * V8's two halves of the young generation, and what it promotes from, grow to three times this; its own default is 32, which
 * gave a daemon that fetches thousands of files 90 MB of heap that is empty most of the time.
 */
const SEMI_SPACE_MIB_MAX = 8

/** Command and arguments. Run from the sources, the daemon runs from the sources; built, it is built. */
export function daemonEntry(...args: readonly string[]): [command: string, ...args: string[]] {
  const main = path.resolve(import.meta.dirname, `../daemon/main${path.extname(import.meta.filename)}`)
  // SQLite is inside Node and works; that Node calls it experimental is no news for a user.
  const flags = ['--disable-warning=ExperimentalWarning', `--max-semi-space-size=${SEMI_SPACE_MIB_MAX}`]
  return [process.execPath, ...flags, main, ...args]
}
