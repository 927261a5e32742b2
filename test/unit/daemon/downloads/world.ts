/** Downloads over a real store and a real exchange in a temporary folder, which can be restarted. */
import { pino } from 'pino'
import { expect, onTestFinished } from 'vitest'
import type { ContentId } from '../../../../src/base/ids.ts'
import { Downloads, type GetRequest } from '../../../../src/daemon/downloads/downloads.ts'
import type { DownloadEvent } from '../../../../src/daemon/downloads/events.ts'
import type { StateKind } from '../../../../src/daemon/downloads/state.ts'
import { openPlace, type Made, type Place } from '../../io/store/contents.ts'
import { ExchangeNode, PEER } from './exchange-node.ts'

/** In place of STALLED_MS. */
export const STALLED_MS = 20

export class World {
  readonly place: Place
  readonly contents: readonly Made[]
  /** Messages of log lines at level error. */
  readonly errors: string[] = []
  /** What the monitor of shares was told. */
  readonly monitored: string[] = []
  node: ExchangeNode
  downloads: Downloads

  private constructor(place: Place, contents: readonly Made[]) {
    this.place = place
    this.contents = contents
    this.node = new ExchangeNode(place, contents)
    this.downloads = this.makeDownloads()
  }

  static async open(contents: readonly Made[]): Promise<World> {
    const world = new World(await openPlace(), contents)
    await world.attach()
    onTestFinished(async () => {
      await world.close()
      await world.place.remove()
    })
    return world
  }

  private makeDownloads(): Downloads {
    const write = (line: string): void => void this.errors.push((JSON.parse(line) as { msg: string }).msg)
    const log = pino({ level: 'error' }, { write })
    const { store, db } = this.place
    return new Downloads({ store, db, log, stalledMs: STALLED_MS, nowMs: () => this.node.nowMs })
  }

  attach(): Promise<void> {
    return this.downloads.attach(this.node, {
      offered: content => void this.monitored.push(`offered ${content}`),
      suspect: (content, piece) => void this.monitored.push(`suspect ${content} ${piece}`)
    })
  }

  /** So much time passes while nobody sends anything, and the download is judged. */
  async standStill(ms: number): Promise<void> {
    await this.downloads.judgeShortages()
    this.node.advance(ms)
    await this.downloads.judgeShortages()
  }

  private async close(): Promise<void> {
    await this.downloads.close()
    await this.node.close()
  }

  /** The process ends and starts again; nothing that is not on the disk survives. */
  async restart(): Promise<void> {
    await this.close()
    await this.place.restart()
    this.node = new ExchangeNode(this.place, this.contents)
    this.downloads = this.makeDownloads()
    await this.attach()
  }

  /** The node leaves its overlay for another one. */
  async move(): Promise<void> {
    this.downloads.detach()
    await this.node.close()
    this.node = new ExchangeNode(this.place, this.contents)
    await this.attach()
  }

  get(made: Made, options: Partial<GetRequest> = {}): Promise<void> {
    return this.downloads.get({
      ...{ content: made.id, folder: this.place.target, include: [], overwrite: false, serve: true, holders: [PEER] },
      ...options
    })
  }

  kind({ id }: Made): StateKind | undefined {
    return this.downloads.state(id)?.kind
  }

  /** Every event of the content from now on but progress. */
  hear(content: ContentId): DownloadEvent[] {
    const heard: DownloadEvent[] = []
    const listen = (event: DownloadEvent): void => {
      if (event.kind !== 'progress') heard.push(event)
    }
    const stop = new AbortController()
    onTestFinished(() => {
      stop.abort()
    })
    this.downloads.listen(content, listen, stop.signal)
    return heard
  }

  /** Resolves when the content is in this state. The clock moves meanwhile. */
  async reach(made: Made, kind: StateKind): Promise<void> {
    await expect
      .poll(
        () => {
          this.node.advance(250)
          return this.kind(made)
        },
        { timeout: 5_000, interval: 1 }
      )
      .toBe(kind)
  }
}
