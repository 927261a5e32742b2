/**
 * A host outside of the cluster's machine: a network namespace with one cable to it and no route to the containers, so that
 * nothing but the published port leads in. Its node is a daemon of this clone.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, ok, until, works } from './command.ts'
import { Missing } from './engine.ts'

const BIN = path.resolve(import.meta.dirname, '../../bin/shoal.js')
const SHOAL_MS_MAX = 5 * 60_000
const START_MS = 30_000
const END_MS = 15_000

export class Outside {
  /** Of the cluster's machine, at its end of the cable: what the host outside must dial. */
  readonly gateway: string
  readonly home: string
  private readonly namespace: string
  private readonly cable: string
  private readonly address: string
  private daemon: ChildProcess | undefined

  private constructor(home: string, number: number) {
    this.home = home
    this.namespace = `shoal-${process.pid}`
    this.cable = `shoal${process.pid}`.slice(0, 13)
    // Of the range for benchmarks (RFC 2544), which no network uses.
    this.gateway = `198.18.${number}.1`
    this.address = `198.18.${number}.2`
  }

  /** Throws Missing where namespaces cannot be made. */
  static async open(home: string): Promise<Outside> {
    if (process.getuid?.() !== 0 || !(await works(['ip', 'netns']))) {
      throw new Missing('a host outside is a network namespace: that takes root and the command `ip`')
    }
    const outside = new Outside(home, process.pid % 256)
    try {
      await outside.lay()
      return outside
    } catch (error) {
      await outside.close()
      throw error
    }
  }

  private async lay(): Promise<void> {
    const { namespace, cable, gateway, address } = this
    const inside = ['ip', 'netns', 'exec', namespace, 'ip']
    await ok(['ip', 'netns', 'add', namespace])
    await ok(['ip', 'link', 'add', `${cable}a`, 'type', 'veth', 'peer', 'name', `${cable}b`, 'netns', namespace])
    await ok(['ip', 'address', 'add', `${gateway}/24`, 'dev', `${cable}a`])
    await ok(['ip', 'link', 'set', `${cable}a`, 'up'])
    await ok([...inside, 'address', 'add', `${address}/24`, 'dev', `${cable}b`])
    await ok([...inside, 'link', 'set', `${cable}b`, 'up'])
    await ok([...inside, 'link', 'set', 'lo', 'up'])
  }

  /** `shoal --json ARGS` on that host: what it says last. */
  async shoal(args: readonly string[]): Promise<Record<string, unknown>> {
    const text = await ok(this.asked(args), { timeoutMs: SHOAL_MS_MAX })
    return JSON.parse(text.split('\n').at(-1) ?? '') as Record<string, unknown>
  }

  /** The daemon, in the overlay of the home. */
  start(): void {
    const [file, ...args] = this.command()
    this.daemon = spawn(file, [...args, 'daemon'], { stdio: 'ignore' })
    this.daemon.on('error', () => undefined)
  }

  /** Waits for it to answer. */
  async ready(): Promise<{ id: string }> {
    await until('the daemon outside answers', async () => (await ended(this.asked(['status']))).code === 0, START_MS)
    const { id } = await this.shoal(['status'])
    return { id: String(id) }
  }

  /** With a goodbye. */
  async stop(): Promise<void> {
    const { daemon } = this
    if (daemon === undefined) return
    daemon.kill('SIGTERM')
    await until('the daemon outside has ended', () => daemon.exitCode !== null || daemon.signalCode !== null, END_MS)
    this.daemon = undefined
  }

  async close(): Promise<void> {
    if (this.daemon?.exitCode === null) this.daemon.kill('SIGKILL')
    await ended(['ip', 'netns', 'delete', this.namespace])
    // The namespace takes the cable with it, a moment later.
    await sleep(100)
    await ended(['ip', 'link', 'delete', `${this.cable}a`])
  }

  private asked(args: readonly string[]): string[] {
    return [...this.command(), '--json', ...args]
  }

  private command(): [file: string, ...args: string[]] {
    return ['ip', 'netns', 'exec', this.namespace, 'node', BIN, '--home', this.home]
  }
}
