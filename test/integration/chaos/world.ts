/**
 * A cluster of real processes to which drawn things happen: shares, downloads, removals, kill -9, SIGSTOP, folders that are
 * deleted and files that change. The world remembers what every content must contain, and collects what went wrong.
 *
 * The seed decides what is tried in which order. When it happens depends on the machine, so a run does not repeat exactly;
 * the act log that a failure prints says what happened.
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../../src/base/random.ts'
import type { Cluster } from '../cluster.ts'
import { until, type Answer, type Daemon } from '../cluster.ts'
import { contents, makeFile } from '../content.ts'

const GET_SECONDS = 20
const CONTENTS_MAX = 60
const FILES_MAX = 12
const FILE_BYTES_MAX = 1 << 20
/** Ends of a `get` that are answers: done, timed out, not found, no daemon, interrupted, conflict, integrity. */
const GET_CODES = new Set([0, 2, 3, 6, 7, 11, 12])

interface Content {
  readonly id: string
  readonly name: string
  readonly owner: Daemon
  /** By path inside the content, as contents() gives them. */
  readonly files: Record<string, string>
  /** The owner's own copy is as it was shared. */
  intact: boolean
  readonly folder: string
}

interface Copy {
  readonly content: Content
  readonly daemon: Daemon
  readonly folder: string
}

export class ChaosWorld {
  readonly cluster: Cluster
  readonly problems: string[] = []
  readonly acts: string[] = []
  readonly counts: Record<string, number> = {}
  private readonly random: Random
  private readonly nodes: readonly Daemon[]
  private readonly known: Content[] = []
  private readonly copies = new Set<Copy>()
  /** Daemons that this test has stopped or is restarting. */
  private readonly away = new Set<Daemon>()
  private readonly getting = new Set<Promise<void>>()
  private serial = 0

  constructor(cluster: Cluster, nodes: number, seed: string) {
    this.cluster = cluster
    this.random = Random.from(seed)
    this.nodes = Array.from({ length: nodes }, (_, i) => cluster.node(i + 1))
  }

  /** One act, drawn. Resolves when it was carried out; downloads go on in the background. */
  async act(): Promise<void> {
    const acts: Array<[number, string, () => Promise<void>]> = [
      [4, 'share', () => this.share()],
      [8, 'get', async () => this.get()],
      [2, 'rm', () => this.remove()],
      [1, 'kill', () => this.kill()],
      [1, 'pause', async () => this.pause()],
      [1, 'delete-target', async () => this.deleteTarget()],
      [1, 'change-share', async () => this.changeShare()]
    ]
    let draw = this.random.below(acts.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, name, run] of acts) {
      draw -= weight
      if (draw >= 0) continue
      this.counts[name] = (this.counts[name] ?? 0) + 1
      await run()
      break
    }
    this.checkAlive()
  }

  /** Ends what is under way, brings everybody back, and looks at everything. */
  async settle(): Promise<void> {
    await Promise.all(this.getting)
    await until('stopped and killed daemons are back', () => this.away.size === 0, 120_000)
    this.checkAlive()
    await this.cluster.converged()
    for (const content of this.known.filter(({ intact }) => intact)) {
      for (const node of this.nodes) await this.mustHave(content, node)
    }
    for (const copy of this.copies) this.checkCopy(copy)
    this.checkAlive()
  }

  private note(text: string): void {
    this.acts.push(`${(performance.now() / 1000).toFixed(2)} ${text}`)
  }

  private problem(text: string): void {
    this.note(`PROBLEM ${text}`)
    this.problems.push(text)
  }

  private checkAlive(): void {
    for (const node of this.nodes) {
      if (!this.away.has(node) && !node.running) this.problem(`${node.name} ended by itself`)
    }
  }

  private pickPresent(): Daemon | undefined {
    return this.random.pick(this.nodes.filter(node => !this.away.has(node)))
  }

  private async share(): Promise<void> {
    const owner = this.pickPresent()
    if (owner === undefined || this.known.length >= CONTENTS_MAX) return
    const name = `share-${++this.serial}`
    const folder = path.join(this.cluster.folder(`own-${owner.name}`), name)
    const files = 1 + this.random.below(FILES_MAX)
    for (let i = 0; i < files; i++) {
      const bytes = this.random.chance(0.1) ? 0 : this.random.below(FILE_BYTES_MAX)
      makeFile(path.join(folder, `d${i % 3}`, `f${i}`), bytes, `${name}/${i}`)
    }
    const answer = await owner.run(['share', folder])
    this.note(`${owner.name} share ${name}: ${answer.code}`)
    if (answer.code === 6) return
    const id = answer.lines.at(-1)?.['id']
    if (answer.code !== 0 || typeof id !== 'string') {
      this.problem(`${owner.name} cannot share ${name}: ${answer.code} ${answer.stdout}${answer.stderr}`)
      return
    }
    this.known.push({ id, name, owner, files: contents(folder), intact: true, folder })
  }

  private get(): void {
    const node = this.pickPresent()
    const content = this.random.pick(this.known)
    if (node === undefined || content === undefined || content.owner === node) return
    const folder = this.cluster.folder(`got-${node.name}-${content.name}`)
    const running = this.fetch(node, content, folder).finally(() => this.getting.delete(running))
    this.getting.add(running)
  }

  private async fetch(node: Daemon, content: Content, folder: string): Promise<void> {
    let answer: Answer
    try {
      answer = await node.run(['get', content.id, '-o', folder, '--timeout', String(GET_SECONDS)])
    } catch (error) {
      this.problem(`${node.name} get ${content.name}: ${String(error)}`)
      return
    }
    this.note(`${node.name} get ${content.name}: ${answer.code}`)
    if (!GET_CODES.has(answer.code)) {
      this.problem(`${node.name} get ${content.name}: ${answer.code} ${answer.stdout}${answer.stderr}`)
    }
    if (answer.code !== 0) return
    const copy = { content, daemon: node, folder }
    this.copies.add(copy)
    this.checkCopy(copy)
  }

  /** What was deleted meanwhile is not looked at; anything that is there is right. */
  private checkCopy({ content, daemon, folder }: Copy): void {
    const top = path.join(folder, content.name)
    if (!fs.existsSync(top)) return
    const found = contents(top)
    for (const [name, hash] of Object.entries(found)) {
      if (!name.endsWith('.part') && content.files[name] !== hash) {
        this.problem(`${daemon.name} has wrong bytes in ${content.name}${name}`)
      }
    }
  }

  private async mustHave(content: Content, node: Daemon): Promise<void> {
    if (node === content.owner) return
    const folder = this.cluster.folder(`got-${node.name}-${content.name}`)
    const deadline = performance.now() + 90_000
    for (;;) {
      const answer = await node.run(['get', content.id, '-o', folder, '--overwrite', '--timeout', String(GET_SECONDS)])
      const top = path.join(folder, content.name)
      if (answer.code === 0 && JSON.stringify(contents(top)) === JSON.stringify(content.files)) return
      if (performance.now() > deadline) {
        this.problem(`${node.name} cannot get ${content.name}: ${answer.code} ${answer.stdout}${answer.stderr}`)
        return
      }
      await sleep(1_000)
    }
  }

  private async remove(): Promise<void> {
    const copy = this.random.pick([...this.copies])
    if (copy === undefined || this.away.has(copy.daemon)) return
    const deletes = this.random.chance(0.5)
    const answer = await copy.daemon.run(['rm', copy.content.id, '--yes', ...(deletes ? ['--delete-files'] : [])])
    this.note(`${copy.daemon.name} rm ${copy.content.name}: ${answer.code}`)
    if (![0, 3, 6].includes(answer.code)) {
      this.problem(`${copy.daemon.name} rm ${copy.content.name}: ${answer.code} ${answer.stdout}${answer.stderr}`)
    }
    if (answer.code === 0 && !deletes) this.checkCopy(copy)
    this.copies.delete(copy)
  }

  private async kill(): Promise<void> {
    const node = this.pickPresent()
    if (node === undefined || this.away.size > 1) return
    this.away.add(node)
    await node.kill('SIGKILL')
    this.note(`${node.name} killed`)
    const restart = async (): Promise<void> => {
      await sleep(this.random.below(3_000))
      try {
        await node.start()
        this.note(`${node.name} started`)
        this.away.delete(node)
      } catch (error) {
        this.problem(`${node.name} does not start again: ${String(error)}`)
      }
    }
    const running = restart().finally(() => this.getting.delete(running))
    this.getting.add(running)
  }

  private pause(): void {
    const node = this.pickPresent()
    if (node === undefined || this.away.size > 1) return
    this.away.add(node)
    this.note(`${node.name} stopped by SIGSTOP`)
    const pause = async (): Promise<void> => {
      await node.kill('SIGSTOP')
      await sleep(500 + this.random.below(6_000))
      await node.kill('SIGCONT')
      this.note(`${node.name} continued`)
      this.away.delete(node)
    }
    const running = pause().finally(() => this.getting.delete(running))
    this.getting.add(running)
  }

  private deleteTarget(): void {
    const copy = this.random.pick([...this.copies])
    if (copy === undefined) return
    fs.rmSync(copy.folder, { recursive: true, force: true })
    this.note(`${copy.daemon.name} lost the folder of ${copy.content.name}`)
    this.copies.delete(copy)
  }

  /** The owner's file changes or is deleted without another `share`. */
  private changeShare(): void {
    const content = this.random.pick(this.known.filter(({ intact }) => intact))
    if (content === undefined || this.known.filter(({ intact }) => intact).length < 5) return
    const name = this.random.pick(Object.keys(content.files))
    if (name === undefined) return
    content.intact = false
    const file = path.join(content.folder, name)
    if (this.random.chance(0.5)) fs.rmSync(file)
    else fs.appendFileSync(file, 'changed')
    this.note(`${content.owner.name} changed ${content.name}${name}`)
  }
}
