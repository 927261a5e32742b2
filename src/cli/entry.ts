/** The program that a daemon's process runs. */
import path from 'node:path'

const NODE_FLAGS = [
  // SQLite is inside Node and works; that Node calls it experimental is no news for a user.
  '--disable-warning=ExperimentalWarning',
  // MiB. A buffer of file bytes is a small object with its bytes outside of the heap: a nursery of the usual 16 MiB fills with so
  // many of them that the full collector is called for their bytes instead.
  '--max-semi-space-size=1'
]

/** Command and arguments. Run from the sources, the daemon runs from the sources; built, it is built. */
export function daemonEntry(...args: readonly string[]): [command: string, ...args: string[]] {
  const main = path.resolve(import.meta.dirname, `../daemon/main${path.extname(import.meta.filename)}`)
  return [process.execPath, ...NODE_FLAGS, main, ...args]
}
