/** Real shoal daemons on loopback, started as `shoal daemon` starts them and asked over their sockets. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { socketTransport, type Transport } from '../../src/cli/client/transport.ts'
import type { daemonEntry } from '../../src/cli/entry.ts'
import type { ControlApi, ControlMethod, MemberRow, Params, ResultOf } from '../../src/wire/control/methods.ts'
import { sleep, type Running, type Workshop } from './workshop.ts'

export const BIN = path.resolve(import.meta.dirname, '../../bin/shoal.js')
const PEER = path.resolve(import.meta.dirname, '../fixtures/peers/peer.ts')
const CLI = path.resolve(import.meta.dirname, '../../dist/cli')
const START_MS = 60_000
const ASK_MS = 120_000

export class Node {
  readonly name: string
  readonly home: string
  readonly running: Running
  private readonly transport: Transport<ControlApi>
  id = ''

  constructor(name: string, home: string, running: Running) {
    this.name = name
    this.home = home
    this.running = running
    this.transport = socketTransport(home, 'npm run bench')
  }

  get pid(): number {
    return this.running.pid
  }

  ask<M extends ControlMethod>(method: M, params: Params<M>): Promise<ResultOf<M>> {
    return this.transport.ask(method, params, { signal: AbortSignal.timeout(ASK_MS) })
  }

  async members(): Promise<MemberRow[]> {
    return (await this.ask('members', {})).members
  }

  /** The command as a person types it. */
  command(...args: string[]): string[] {
    return [process.execPath, BIN, '--home', this.home, '--json', ...args]
  }
}

/** The built one, with the flags that the product gives it. */
async function builtEntry(...args: readonly string[]): Promise<string[]> {
  const entry = (await import(path.join(CLI, 'entry.js'))) as { daemonEntry: typeof daemonEntry }
  return entry.daemonEntry(...args)
}

/** Starts one daemon and waits for its first word, which is that it is ready. `home`: one from before; `further`: flags. */
export async function startNode(
  workshop: Workshop,
  name: string,
  options: { preset?: string; home?: string; further?: readonly string[] } = {}
): Promise<Node> {
  const { preset, home = workshop.path(name), further = [] } = options
  if (preset !== undefined) await found(home, name, preset)
  const flags = ['--home', home, '--name', name, '--listen', '127.0.0.1:0', '--report', 'json', ...further]
  return ready(name, home, workshop.start(await builtEntry('daemon', ...flags), { env: ownEnvironment() }))
}

/** A holder that reads so many bytes a second at most (test/fixtures/peers/peer.ts), in the overlay of the ticket. */
export async function startSlow(
  workshop: Workshop,
  name: string,
  { rate, ticket }: { rate: number; ticket: string }
): Promise<Node> {
  const home = workshop.path(name)
  const flags = ['--home', home, '--listen', '127.0.0.1:0', '--rate', String(rate)]
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', PEER, ...flags]
  const node = await ready(name, home, workshop.start(command, { env: ownEnvironment() }))
  await node.ask('join', { ticket, timeoutMs: START_MS })
  return node
}

async function ready(name: string, home: string, running: Running): Promise<Node> {
  const [line] = await running.says(/^\{.*\}$/m, START_MS)
  const told = JSON.parse(line) as { id?: string; error?: { message: string } }
  if (told.id === undefined) throw new Error(`${name}: ${told.error?.message ?? line}`)
  const node = new Node(name, home, running)
  node.id = told.id
  return node
}

/** `count` daemons of one overlay that all see each other alive. */
export async function startGroup(workshop: Workshop, count: number, preset: string): Promise<Node[]> {
  const first = await startNode(workshop, 'n1', { preset })
  const { ticket } = await first.ask('invite', {})
  const nodes = [first]
  for (let i = 2; i <= count; i++) {
    const node = await startNode(workshop, `n${i}`)
    await node.ask('join', { ticket, timeoutMs: START_MS })
    nodes.push(node)
  }
  for (const node of nodes) await node.ask('members', { wait: count, timeoutMs: START_MS })
  return nodes
}

/** The overlay's preset is its founder's choice. */
async function found(home: string, name: string, preset: string): Promise<void> {
  const [command = '', ...args] = await builtEntry('home', 'init', '--home', home)
  const input = JSON.stringify({ name, preset })
  const { status, stdout } = spawnSync(command, args, { input, encoding: 'utf8', env: ownEnvironment() })
  if (status !== 0) throw new Error(`init: ${stdout}`)
}

/** Settings of whoever runs the benchmark are not measured. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SHOAL_')))
}

export async function stopAll(nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map(node => node.running.kill('SIGKILL')))
  // The last connections of the dead go before the next group begins.
  await sleep(200)
}
