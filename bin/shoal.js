#!/usr/bin/env node
/**
 * The command `shoal`, in a clone and in an installed package. Node 22.18 or later runs it; an older one that finds Node 24 among
 * the packages of a clone (the package `node`) hands over to it, so that a fresh clone works whatever the machine has. A package
 * holds what was built, and nothing that builds.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const LEAST = [22, 18]

const root = path.dirname(path.dirname(fs.realpathSync(fileURLToPath(import.meta.url))))
const main = path.join(root, 'dist', 'cli', 'main.js')
const ownNode = path.join(root, 'node_modules', 'node', 'bin', 'node')
const isClone = fs.existsSync(path.join(root, 'bin', 'setup.js'))
const place = isClone ? 'clone' : 'package'
const mend = isClone ? '`npm run setup` in it installs and builds' : 'install it again: npm install --global'

if (!fs.existsSync(main)) {
  refuse(`this ${place} is not ${isClone ? 'built' : 'whole'}`, mend)
} else if (isLate(process.versions.node)) {
  try {
    await import(pathToFileURL(main).href)
  } catch (error) {
    refuse(`this ${place} is not whole: ${error.message.split('\n')[0]}`, mend)
  }
} else if (process.env.SHOAL_GUARDIAN === undefined && fs.existsSync(ownNode)) {
  handOver()
} else {
  refuse(
    `Node.js ${process.versions.node} is too old: ${LEAST.join('.')} or later is needed`,
    isClone ? 'install Node.js 24, or run `npm run setup` in the clone, which brings it' : 'install Node.js 24'
  )
}

function isLate(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])
}

/**
 * An old Node cannot replace itself, so it stays and stands for the other one: it passes signals and the exit status on, and
 * a daemon ends when it is killed (SHOAL_GUARDIAN).
 */
function handOver() {
  const env = { ...process.env, SHOAL_GUARDIAN: String(process.pid) }
  const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', env })
  // A terminal sends these to both by itself, and a second signal means "at once".
  const isTerminal = [0, 1, 2].some(isTty)
  const passedOn = isTerminal ? ['SIGTERM'] : ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      if (passedOn.includes(signal)) child.kill(signal)
    })
  }
  child.on('error', error => {
    refuse(`cannot run ${ownNode}: ${error.message}`, '`npm run setup` in the clone brings it')
  })
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status)
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

function isTty(descriptor) {
  return [process.stdin, process.stdout, process.stderr][descriptor]?.isTTY === true
}

function refuse(what, next) {
  process.stderr.write(`shoal: ${what}\n  ${next}\n`)
  process.exitCode = 1
}
