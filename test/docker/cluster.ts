/** What is looked for in all containers at once: members, ring, files. */
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './command.ts'
import type { Container } from './container.ts'
import type { Project } from './project.ts'

const CHUNK_BYTES = 4 << 20
const SETTLE_MS = 60_000
const HEALTH_LOOK_MS = 500
const FILE_PARALLEL = 2

/** A shared file and what is known of it. */
export interface Content {
  readonly name: string
  readonly id: string
  readonly bytes: number
  readonly hash: string
}

export class Cluster {
  readonly project: Project
  containers: Container[] = []
  readonly contents: Content[] = []

  constructor(project: Project) {
    this.project = project
  }

  get first(): Container {
    return this.node(0)
  }

  /** From 1; 0 is the first one. */
  node(number: number): Container {
    const container = this.containers[number]
    if (container === undefined) throw new Error(`there is no container ${number}`)
    return container
  }

  /** After containers were made or removed. */
  async refresh(): Promise<void> {
    this.containers = await this.project.containers()
  }

  /** Seconds until every container's own check says healthy. */
  async healthy(timeoutMs: number, sinceMs = performance.now()): Promise<number> {
    const look = async (): Promise<boolean | string> => {
      const states = await Promise.all(this.containers.map(one => one.inspect('{{.State.Health.Status}}')))
      if (states.every(state => state === 'healthy')) return true
      await sleep(HEALTH_LOOK_MS)
      return states.join(' ')
    }
    return until('all are healthy', look, timeoutMs, sinceMs)
  }

  /** Seconds until each of them sees all of them alive and nobody else, and all stand in one ring. */
  async whole(among = this.containers, timeoutMs = SETTLE_MS, sinceMs = performance.now()): Promise<number> {
    const seconds = await until('all see all alive', () => membersTrouble(among) ?? true, timeoutMs, sinceMs)
    await until('all stand in one ring', () => ringTrouble(among) ?? true, timeoutMs)
    return seconds
  }

  /** Seconds until all others see this one so. */
  async seen(one: Container, state: string, timeoutMs: number, sinceMs = performance.now()): Promise<number> {
    const others = this.containers.filter(other => other !== one && other.view.members !== undefined)
    const look = (): boolean | string => {
      const not = others.filter(other => other.row(one.id)?.state !== state)
      return not.length === 0 ? true : not.map(other => `${other.name}: ${other.row(one.id)?.state}`).join(', ')
    }
    return until(`all others see ${one.name} ${state}`, look, timeoutMs, sinceMs)
  }

  /** Random bytes in the folder to share from, shared by one container. */
  async share(name: string, bytes: number, by: Container): Promise<Content> {
    const file = path.join(this.project.share, name)
    const hash = createHash('sha256')
    const handle = fs.openSync(file, 'w')
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      const chunk = randomBytes(Math.min(left, CHUNK_BYTES))
      hash.update(chunk)
      fs.writeSync(handle, chunk)
    }
    fs.closeSync(handle)
    const { id } = await by.shoal(['share', `/share/${name}`])
    const content = { name, id: String(id), bytes, hash: hash.digest('hex') }
    this.contents.push(content)
    return content
  }

  /** Whoever has no copy of its own fetches one, a few at a time; then every copy is compared. Returns how many there are. */
  async fetchEverywhere(content: Content, sharer: Container): Promise<number> {
    const takers = this.containers.filter(one => one !== sharer)
    await inTurns(takers, async one => {
      await one.shoal(['get', content.id])
      await equalIn(one, content)
    })
    return takers.length
  }
}

/** The copy that `shoal get` made without being told where. */
export async function equalIn(one: Container, content: Content, folder = '.'): Promise<void> {
  const line = await one.exec(['sha256sum', `${folder}/${content.name}`])
  if (!line.startsWith(content.hash)) throw new Error(`${content.name} in ${one.name} has other bytes: ${line}`)
}

/** Two cores do not hash faster when all hash at once. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const turn = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: FILE_PARALLEL }, turn))
}

/** Undefined where all is well. */
function membersTrouble(among: readonly Container[]): string | undefined {
  const wanted = among.map(({ id }) => id).toSorted()
  if (wanted.includes('')) return `${among.filter(({ id }) => id === '').length} do not answer yet`
  for (const { name, view } of among) {
    const alive = (view.members ?? []).filter(({ state }) => state !== 'left' && state !== 'dead')
    const settled = alive.every(({ state }) => state === 'alive')
    const same = JSON.stringify(alive.map(({ id }) => id).toSorted()) === JSON.stringify(wanted)
    if (!settled || !same) return `${name} sees ${alive.map(one => `${one.name} ${one.state}`).join(', ') || 'nobody'}`
  }
  return undefined
}

/** In the order of their keys each is followed by its successor and preceded by its predecessor. */
function ringTrouble(among: readonly Container[]): string | undefined {
  const order = among.toSorted((a, b) => ((a.view.ring?.key ?? '') < (b.view.ring?.key ?? '') ? -1 : 1))
  for (const [index, { name, view }] of order.entries()) {
    const before = order.at(index - 1)?.id
    const after = order[(index + 1) % order.length]?.id
    if (view.ring?.successor !== after) return `${name} has another successor than the next key's`
    if (view.ring?.predecessor !== before) return `${name} has another predecessor than the key's before`
  }
  return undefined
}
