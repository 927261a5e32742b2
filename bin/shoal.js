#!/usr/bin/env node
/**
 * The command `shoal`, in a clone and in an installed package. It requires Node 22.18 or later. An older Node runs the
 * Node 24 of the clone's packages (the package `node`) instead, if it is installed, so that a clone works with any
 * Node on the machine. A package contains the built files, not the tools to build them.
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
const repair = isClone ? 'run `npm run setup` in the clone' : 'install it again: npm install --global'

if (!fs.existsSync(main)) {
  refuse(`this ${place} is ${isClone ? 'not built' : 'incomplete'}`, repair)
} else if (isLate(process.versions.node)) {
  try {
    await import(pathToFileURL(main).href)
  } catch (error) {
    refuse(`this ${place} is incomplete: ${error.message.split('\n')[0]}`, repair)
  }
} else if (process.env.SHOAL_GUARDIAN === undefined && fs.existsSync(ownNode)) {
  handOver()
} else {
  refuse(
    `Node.js ${process.versions.node} is too old: ${LEAST.join('.')} or later is required`,
    isClone ? 'install Node.js 24, or run `npm run setup` in the clone, which installs it there' : 'install Node.js 24'
  )
}

function isLate(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])
}

/**
 * Runs the newer Node as a child. This process stays, because Node cannot exec: it forwards signals and the exit
 * status, and a daemon exits when this process is killed (SHOAL_GUARDIAN).
 */
function handOver() {
  const env = { ...process.env, SHOAL_GUARDIAN: String(process.pid) }
  const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', env })
  // A terminal sends SIGINT and SIGHUP to both processes. Forwarding them would make two signals, and two mean "exit
  // at once".
  const isTerminal = [0, 1, 2].some(isTty)
  const passedOn = isTerminal ? ['SIGTERM'] : ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      if (passedOn.includes(signal)) child.kill(signal)
    })
  }
  child.on('error', error => {
    refuse(`cannot run ${ownNode}: ${error.message}`, 'run `npm run setup` in the clone, which installs it')
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
