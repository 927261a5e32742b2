/**
 * Prepares a clone: installs the locked packages (including Node 24), then builds dist. Does nothing when both are
 * current.
 *
 * npm runs it as a pre-script (`predemo`, `pretest`) with node_modules/.bin first on PATH, so the next script runs on
 * the Node 24 that this one installed. It imports only node:* modules, because it runs on the machine's own Node.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const WANTED = 'v24.'
const LOCK_WAIT_MS = 10 * 60_000

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const modules = path.join(root, 'node_modules')
const installStamp = path.join(modules, '.shoal-setup')
const dist = path.join(root, 'dist')
const buildStamp = path.join(dist, '.shoal-setup')
const lock = path.join(root, '.setup.lock')

class SetupError extends Error {}

try {
  if (!isInstalled() || !isBuilt()) {
    withLock(() => {
      if (!isInstalled()) install()
      if (!isBuilt()) build()
    })
  }
} catch (error) {
  if (!(error instanceof SetupError) && typeof error.code !== 'string') throw error
  console.error(`setup: ${error.message}`)
  process.exitCode = 1
}

function isInstalled() {
  return readOrNothing(installStamp) === installHash() && nodeVersion().startsWith(WANTED)
}

function install() {
  const packages = lstatOrNothing(modules)
  if (packages?.isSymbolicLink()) {
    const target = fs.existsSync(modules) ? fs.realpathSync(modules) : fs.readlinkSync(modules)
    throw new SetupError(
      `node_modules is a link to ${target}, which does not have the packages of this package-lock.json; ` +
        'run `npm run setup` there, or remove the link'
    )
  }
  say('installing the locked packages')
  const args = ['ci', '--include=dev', '--ignore-scripts=false', '--loglevel=error']
  const npm = run('npm', args, { ...process.env, PATH: machinePath(), NODE_ENV: '' })
  if (npm !== 0) throw new SetupError(`npm ci failed (${npm}); see its message above`)
  const version = nodeVersion()
  if (!version.startsWith(WANTED)) {
    throw new SetupError(
      `the package node should have installed Node 24, but \`node\` is ${version}; ` +
        `install Node 24 for ${process.platform} ${process.arch} yourself and put it first on PATH`
    )
  }
  fs.writeFileSync(installStamp, installHash())
}

function isBuilt() {
  return readOrNothing(buildStamp) === buildHash()
}

/** Builds into a folder next to dist and renames it when it is complete, so that dist is never a partial build. */
function build() {
  const hash = buildHash()
  const fresh = `${dist}.new`
  fs.rmSync(fresh, { recursive: true, force: true })
  const args = ['node_modules/typescript/bin/tsc', '-p', 'test/tidy/tsconfig.build.json', '--outDir', fresh]
  const tsc = run('node', args, childEnv())
  if (tsc !== 0) {
    fs.rmSync(fresh, { recursive: true, force: true })
    throw new SetupError(`the build of src into dist failed (${tsc}); see the compiler's message above`)
  }
  fs.mkdirSync(fresh, { recursive: true })
  fs.writeFileSync(path.join(fresh, path.basename(buildStamp)), hash)
  fs.rmSync(dist, { recursive: true, force: true })
  fs.renameSync(fresh, dist)
}

function installHash() {
  const hash = createHash('sha256')
  hash.update(`${process.platform} ${process.arch}\n`)
  hash.update(fs.readFileSync(path.join(root, 'package-lock.json')))
  return hash.digest('hex')
}

/** A hash of the names and contents of the sources, not of their times: it detects checkouts, copies and deletions. */
function buildHash() {
  const inputs = [...filesUnder('src'), 'package-lock.json', 'tsconfig.json', 'test/tidy/tsconfig.build.json']
  const hash = createHash('sha256')
  for (const name of inputs) {
    const bytes = fs.readFileSync(path.join(root, name))
    hash.update(`${name}\n${bytes.length}\n`)
    hash.update(bytes)
  }
  return hash.digest('hex')
}

function filesUnder(folder) {
  const entries = fs.readdirSync(path.join(root, folder), { withFileTypes: true })
  const names = entries.map(entry => {
    const name = `${folder}/${entry.name}`
    if (entry.isDirectory()) return filesUnder(name)
    return name.endsWith('.ts') ? [name] : []
  })
  return names.flat().sort()
}

/** The version of the `node` that the next script will use. PATH determines it, not process.execPath. */
function nodeVersion() {
  const child = spawnSync('node', ['-p', 'process.version'], { cwd: root, env: childEnv(), encoding: 'utf8' })
  return child.status === 0 ? child.stdout.trim() : 'missing'
}

/** Under npm, PATH is unchanged: the check above must use the same PATH as the next script. */
function childEnv() {
  if (process.env.npm_lifecycle_event !== undefined) return process.env
  return { ...process.env, PATH: path.join(modules, '.bin') + path.delimiter + (process.env.PATH ?? '') }
}

/** PATH without node_modules/.bin: npm ci deletes node_modules, so it must not run on a Node from there. */
function machinePath() {
  const bin = path.join('node_modules', '.bin')
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  return folders.filter(folder => !path.normalize(folder).endsWith(bin)).join(path.delimiter)
}

/** Returns the exit status or the signal. The output goes to stderr, because stdout belongs to the next script. */
function run(command, args, env) {
  const child = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] })
  if (child.error)
    throw new SetupError(child.error.code === 'ENOENT' ? `${command} is not on PATH` : child.error.message)
  return child.status ?? child.signal
}

/**
 * Allows one set-up per clone at a time. The lock file has the owner's process id, so a lock of a dead process is
 * removed.
 */
function withLock(work) {
  const deadline = Date.now() + LOCK_WAIT_MS
  let announced = false
  while (!takeLock()) {
    const owner = Number(readOrNothing(lock))
    if (owner > 0 && !isRunning(owner)) {
      fs.rmSync(lock, { force: true })
      continue
    }
    if (Date.now() > deadline) {
      throw new SetupError(`another set-up (process ${owner}) did not end; end it or remove ${lock}, then try again`)
    }
    if (!announced) say('waiting for another set-up of this clone')
    announced = true
    sleep(200)
  }
  try {
    work()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

/** Creates the lock as a hard link, which appears together with its content; a new file would be empty for a moment. */
function takeLock() {
  const own = `${lock}.${process.pid}`
  fs.writeFileSync(own, String(process.pid))
  try {
    fs.linkSync(own, lock)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  } finally {
    fs.rmSync(own, { force: true })
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function readOrNothing(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  }
}

function lstatOrNothing(file) {
  return fs.lstatSync(file, { throwIfNoEntry: false })
}

function say(text) {
  console.error(`setup: ${text}`)
}
