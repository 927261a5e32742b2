/** One container with a node in it: what it sees, and what it is told. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { MemberRow } from '../../src/wire/control/methods.ts'
import { ok } from './command.ts'

const WATCH = fs.readFileSync(path.join(import.meta.dirname, 'watch.js'), 'utf8')
const SHOAL_MS_MAX = 5 * 60_000
/** A watcher that ended with its container is tried again: the container may be started again. */
const WATCH_AGAIN_MS = 250

/** What a daemon sees of the overlay. */
interface View {
  members?: MemberRow[]
  ring?: { key: string; predecessor?: string; successor?: string }
}

export class Container {
  readonly name: string
  /** Of the node in it; it stays the same for as long as its volume does. */
  id = ''
  /** Empty while no daemon answers. */
  view: View = {}
  /** All that it ever saw of a member, in order. */
  readonly history: Array<{ id: string; state: MemberRow['state'] }> = []
  private watcher: ChildProcess | undefined
  private again: NodeJS.Timeout | undefined
  private gone = false

  constructor(name: string) {
    this.name = name
    this.watch()
  }

  get address(): string | undefined {
    return this.row(this.id)?.address
  }

  row(id: string): MemberRow | undefined {
    return this.view.members?.find(member => member.id === id)
  }

  /** `shoal --json ARGS` in the container: what it says last. */
  async shoal(args: readonly string[]): Promise<Record<string, unknown>> {
    const text = await this.exec(['shoal', '--json', ...args])
    return JSON.parse(text.split('\n').at(-1) ?? '') as Record<string, unknown>
  }

  exec(command: readonly string[]): Promise<string> {
    return ok(['docker', 'exec', this.name, ...command], { timeoutMs: SHOAL_MS_MAX })
  }

  docker(command: 'start' | 'stop' | 'kill'): Promise<string> {
    return ok(['docker', command, this.name])
  }

  async inspect(format: string): Promise<string> {
    return ok(['docker', 'inspect', '--format', format, this.name])
  }

  /** The daemon's resident memory now, bytes, as the machine's kernel has it. */
  async residentBytes(): Promise<number> {
    const rows = await ok(['docker', 'top', this.name, '-eo', 'pid,rss,args'])
    const daemon = rows.split('\n').find(row => row.includes('daemon/main.js'))
    return Number(daemon?.trim().split(/\s+/)[1]) * 1024
  }

  close(): void {
    this.gone = true
    clearTimeout(this.again)
    this.watcher?.kill('SIGKILL')
  }

  private watch(): void {
    const command = ['exec', this.name, 'node', '--input-type=module', '-e', WATCH]
    const child = spawn('docker', command, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.watcher = child
    // An engine that cannot start it says so there too.
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('{')) this.see(JSON.parse(line) as View)
    })
    child.on('error', () => undefined)
    child.once('close', () => {
      this.view = {}
      if (!this.gone) this.again = setTimeout(() => this.watch(), WATCH_AGAIN_MS)
    })
  }

  private see(view: View): void {
    for (const { id, state, self } of view.members ?? []) {
      if (self) this.id = id
      if (this.row(id)?.state !== state) this.history.push({ id, state })
    }
    this.view = view
  }
}
