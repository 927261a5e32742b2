/**
 * A demonstration with five nodes on this machine, each in its own process: `npm run demo [-- PATH]`. They form an
 * overlay, share and fetch a folder (PATH, or the sources of this project), and one node is killed during a download.
 *
 * All files are in a temporary folder, which is removed at the end. All processes are ended. Exits with 0 on success.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

if (Number(process.versions.node.split('.')[0]) < 22) {
  console.error(`demo: Node.js ${process.versions.node} is too old; \`npm run demo\` installs and uses its own`)
  process.exit(1)
}
const { socketTransport } = await import('../dist/cli/client/transport.js')
const { daemonEntry } = await import('../dist/cli/entry.js')
const { ringPicture } = await import('../dist/cli/terminal/ring-picture.js')

const NODES = 5
const BIG_BYTES = 256 * 2 ** 20
const KILL_AT = 0.25
const START_MS = 20_000
const STEP_MS = 60_000

const color = process.stdout.isTTY && process.env.NO_COLOR === undefined
const paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = text => paint('1', text)
const dim = text => paint('2', text)
const green = text => paint('32', text)
const red = text => paint('31', text)

const begunMs = performance.now()
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-demo-'))
const nodes = []
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    cleanUp()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

try {
  await play(path.resolve(process.argv[2] ?? path.resolve(import.meta.dirname, '../src')))
  await stopAll()
  say(`\n${green('✓')} ${bold('done')} in ${seconds(performance.now() - begunMs)}; all stopped, nothing left behind`)
} catch (error) {
  console.error(`\n${red('✗')} demo: ${error.message}`)
  if (error.hint !== undefined) console.error(`  ${error.hint}`)
  for (const node of nodes)
    if (node.lastWords !== '') console.error(dim(`  ${node.name}: ${node.lastWords.slice(-500)}`))
  process.exitCode = 1
} finally {
  cleanUp()
}

async function play(target) {
  if (!fs.existsSync(target)) throw new Error(`${target} does not exist; usage: npm run demo -- PATH`)
  say(bold(`Shoal: ${NODES} nodes, each a process of its own, on this machine`))
  await meet()
  await shareFolder(target)
  await loseOne()
  await showRing()
}

async function meet() {
  heading('1', 'They find each other')
  found('n1')
  for (let i = 1; i <= NODES; i++) nodes.push(startNode(`n${i}`))
  await Promise.all(nodes.map(ready))
  const [first, ...others] = nodes
  const { ticket } = await ask(first, 'invite')
  line(
    `n1 founds an overlay; the others join with its ticket ${dim(`${ticket.slice(0, 18)}… (${ticket.length} letters)`)}`
  )
  const startMs = performance.now()
  await Promise.all(others.map(node => ask(node, 'join', { ticket, timeoutMs: 15_000 })))
  await Promise.all(nodes.map(node => ask(node, 'members', { wait: NODES, timeoutMs: 30_000 })))
  line(`all ${NODES} see all ${NODES} alive after ${seconds(performance.now() - startMs)}`)
  for (const node of nodes) line(`  ${node.name}  ${node.address.padEnd(16)} ${dim(node.id)}`)
}

async function shareFolder(target) {
  heading('2', 'One shares a folder, others fetch it')
  const [n1, n2, n3, n4] = nodes
  const { shares } = await ask(n1, 'share', { paths: [target] })
  const { id, name, bytes, files } = shares[0]
  line(`n1 shares ${bold(name)}: ${files} files, ${size(bytes)}  ${dim(`content ID ${id.slice(0, 16)}…`)}`)
  const fetched = []
  for (const node of [n2, n3, n4]) {
    const done = await ask(node, 'get', { what: id, dir: node.downloads })
    fetched.push({ node, done })
    line(`${node.name} fetches it in ${seconds(done.seconds * 1000)} from ${parts(done.sources)}`)
  }
  const most = Math.max(...fetched.map(({ done }) => done.sources.length))
  if (most < 2 && files > 1) throw new Error('no fetch came from two sources')
  const wanted = hashTree(target)
  for (const { node, done } of fetched) {
    const got = hashTree(done.path)
    if (got.size !== wanted.size) throw new Error(`${node.name} has ${got.size} files, not ${wanted.size}`)
    for (const [file, hash] of wanted) if (got.get(file) !== hash) throw new Error(`${node.name}: ${file} differs`)
  }
  line(`${green('✓')} SHA-256 of ${wanted.size} files on ${fetched.length} nodes: all equal`)
}

async function loseOne() {
  heading('3', 'One dies in the middle of a download')
  const [n1, n2, n3, n4, n5] = nodes
  const file = path.join(root, 'big.bin')
  const wanted = makeFile(file)
  const { shares } = await ask(n1, 'share', { paths: [file] })
  const { id } = shares[0]
  const startMs = performance.now()
  await Promise.all([n2, n3].map(node => ask(node, 'get', { what: id, dir: node.downloads })))
  line(
    `n1 shares ${bold('big.bin')}, ${size(BIG_BYTES)} of random bytes; ` +
      `n2 and n3 fetch it in ${seconds(performance.now() - startMs)}`
  )
  let killed
  const done = await ask(n5, 'get', { what: id, dir: n5.downloads }, event => {
    if (killed !== undefined || event.event !== 'progress' || event.haveBytes < KILL_AT * BIG_BYTES) return
    killed = { atMs: performance.now(), share: event.haveBytes / BIG_BYTES }
    n2.killed = true
    process.kill(n2.pid, 'SIGKILL')
    line(`n5 fetches it; at ${percent(killed.share)} ${red('n2 is killed')} (kill -9)`)
    watchDeath([n1, n3, n4, n5], n2, killed)
  })
  if (killed === undefined) throw new Error('the download was over before a holder could be killed')
  line(`n5 has all of it ${seconds(done.seconds * 1000)} after it began, from ${parts(done.sources)}`)
  if (hashFile(done.path) !== wanted) throw new Error('the SHA-256 of big.bin differs')
  line(`${green('✓')} SHA-256 of big.bin: equal`)
  const times = await killed.known
  const list = times.map(({ name, ms }) => `${name} ${seconds(ms)}`).join(', ')
  line(`n2 is declared dead, after its death: ${list}`)
}

/** Polls every survivor until it reports the killed node as dead. */
function watchDeath(survivors, dead, killed) {
  const watch = async node => {
    for (;;) {
      const { members } = await ask(node, 'members')
      if (members.find(member => member.id === dead.id)?.state === 'dead')
        return { name: node.name, ms: performance.now() - killed.atMs }
      if (performance.now() - killed.atMs > STEP_MS)
        throw new Error(`${node.name} did not declare ${dead.name} dead within ${STEP_MS / 1000} s`)
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }
  killed.known = Promise.all(survivors.map(watch))
  killed.known.catch(() => undefined)
}

async function showRing() {
  heading('4', 'The ring that remains')
  const marks = []
  for (const node of nodes) {
    if (node.killed) marks.push({ label: `${node.name} (dead)`, key: node.key, mark: '×' })
    else marks.push({ label: node.name, key: node.key, mark: '●' })
  }
  for (const row of ringPicture(marks)) say(row)
  const [n1] = nodes
  const { owner, hops } = await ask(n1, 'ring.lookup', { key: 'a fish' })
  line(`the key of "a fish" belongs to ${owner.name}, ${hops} ${hops === 1 ? 'hop' : 'hops'} from n1`)
}

/** Creates an overlay with the preset `local`: its failure detector has the intervals for processes on one machine. */
function found(name) {
  const [command, ...args] = daemonEntry('home', 'init', '--home', path.join(root, name))
  const { status, stdout } = spawnSync(command, args, {
    input: JSON.stringify({ name, preset: 'local' }),
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(`init failed: ${stdout}`)
}

function startNode(name) {
  const home = path.join(root, name)
  const flags = ['--home', home, '--report', 'json', '--name', name, '--listen', '127.0.0.1:0']
  const [command, ...args] = daemonEntry('daemon', ...flags)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const downloads = path.join(root, `${name}-downloads`)
  const transport = socketTransport(home, 'npm run demo')
  const node = { name, home, child, downloads, transport, lastWords: '', killed: false }
  child.stderr.setEncoding('utf8').on('data', text => (node.lastWords = text))
  return node
}

/** The first line of a daemon's output says that it is ready, or why it failed. */
async function ready(node) {
  const first = await within(START_MS, `${node.name} to be ready`, firstLine(node.child))
  const report = JSON.parse(first)
  if (report.error !== undefined) throw new Error(`${node.name}: ${report.error.message}`)
  const { pid } = await ask(node, 'hello')
  const { key } = await ask(node, 'ring')
  Object.assign(node, { id: report.id, address: report.addresses[0], pid, key })
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', chunk => {
      text += chunk
      const end = text.indexOf('\n')
      if (end >= 0) resolve(text.slice(0, end))
    })
    child.once('exit', status => reject(new Error(`a daemon ended with status ${status}`)))
  })
}

function ask(node, method, params = {}, onEvent) {
  return node.transport.ask(method, params, { onEvent, signal: AbortSignal.timeout(STEP_MS) })
}

async function within(ms, what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function stopAll() {
  const running = nodes.filter(node => !node.killed)
  await Promise.all(running.map(node => ask(node, 'stop')))
  const ends = running.map(({ child }) =>
    child.exitCode === null ? new Promise(resolve => child.once('exit', resolve)) : undefined
  )
  await within(15_000, 'the nodes to stop', Promise.all(ends))
}

function cleanUp() {
  for (const { child } of nodes) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  fs.rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

/** Maps the path of every regular file on the disk to its SHA-256. */
function hashTree(top) {
  const hashes = new Map()
  const visit = (where, name) => {
    const stat = fs.lstatSync(where)
    if (stat.isDirectory())
      for (const child of fs.readdirSync(where)) visit(path.join(where, child), `${name}/${child}`)
    else if (stat.isFile()) hashes.set(name, hashFile(where))
  }
  visit(top, '')
  return hashes
}

function hashFile(file) {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(2 ** 20)
  const handle = fs.openSync(file, 'r')
  for (let read = fs.readSync(handle, buffer); read > 0; read = fs.readSync(handle, buffer))
    hash.update(buffer.subarray(0, read))
  fs.closeSync(handle)
  return hash.digest('hex')
}

function makeFile(file) {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(2 ** 20)
  const handle = fs.openSync(file, 'w')
  for (let at = 0; at < BIG_BYTES; at += chunk.length) {
    randomFillSync(chunk)
    hash.update(chunk)
    fs.writeSync(handle, chunk)
  }
  fs.closeSync(handle)
  return hash.digest('hex')
}

function say(text) {
  console.log(text)
}

function heading(number, text) {
  say(`\n${bold(`${number}  ${text}`)}`)
}

function line(text) {
  say(`   ${text}`)
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}

function percent(share) {
  return `${Math.round(share * 100)} %`
}

function size(bytes) {
  return bytes < 2 ** 20
    ? `${Math.round(bytes / 1024)} KiB`
    : `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`
}

function parts(sources) {
  const all = sources.reduce((sum, { bytes }) => sum + bytes, 0)
  return sources
    .filter(({ bytes }) => bytes > 0)
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ name, bytes }) => `${name} (${percent(bytes / all)})`)
    .join(', ')
}
