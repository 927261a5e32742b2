/** The frames of `shoal top`. */
import { LruMap } from '../../base/bounded.ts'
import { peerIdText, type ContentId } from '../../base/ids.ts'
import type { ContentState } from '../../core/exchange/exchange.ts'
import {
  TOP_CELLS,
  TOP_LEVELS,
  TOP_MEMBERS_MAX,
  TOP_TRANSFERS_MAX,
  type TopMember,
  type TopResult,
  type TopTransfer
} from '../../wire/control/top.ts'
import { nameOf } from '../node/member-names.ts'
import { reasonOf } from '../downloads/rows.ts'
import type { Services } from '../control/services.ts'
import { cellsOf } from './cells.ts'
import { Rates } from './rates.ts'

/** A manifest is not read again for its name and size. */
const KNOWN_MAX = 4 * TOP_TRANSFERS_MAX

interface Busy extends ContentState {
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
}

export class Top {
  private readonly services: Services
  private readonly rates = new Rates()
  private readonly known = new LruMap<ContentId, { name: string; bytes: number }>(KNOWN_MAX)

  constructor(services: Services) {
    this.services = services
  }

  /** Rates are since the frame before. */
  async frame(): Promise<TopResult> {
    const { rates } = this
    const { settings, startedMs } = this.services
    const runtime = this.services.runtime()
    rates.begin(performance.now())
    const { upBytes, downBytes } = runtime.traffic.total
    const states = { alive: 0, suspect: 0, dead: 0, left: 0 }
    for (const { state } of runtime.view.membership.members()) states[state]++
    const members = this.members()
    const contents = this.contents()
    return {
      ...{ id: peerIdText(runtime.self), name: settings.name, rssBytes: process.memoryUsage.rss() },
      uptimeSeconds: Math.floor((performance.now() - startedMs) / 1_000),
      downBytesPerSecond: rates.of('down', downBytes),
      upBytesPerSecond: rates.of('up', upBytes),
      ...{ states, members: members.slice(0, TOP_MEMBERS_MAX) },
      transfers: await Promise.all(contents.slice(0, TOP_TRANSFERS_MAX).map(one => this.transfer(one))),
      more: {
        members: Math.max(0, members.length - TOP_MEMBERS_MAX),
        transfers: Math.max(0, contents.length - TOP_TRANSFERS_MAX)
      }
    }
  }

  /** This node, then who moves most. */
  private members(): TopMember[] {
    const { rates } = this
    const runtime = this.services.runtime()
    const rows = Array.from(runtime.view.membership.members(), (member): TopMember => {
      const { upBytes, downBytes } = runtime.traffic.ofPeer(member.id)
      return {
        ...{ id: peerIdText(member.id), name: nameOf(member.id, member), state: member.state },
        self: member.id === runtime.self,
        ...(member.rttMs === undefined ? {} : { rttMs: Math.round(member.rttMs * 10) / 10 }),
        downBytesPerSecond: rates.of(`down ${member.id}`, downBytes),
        upBytesPerSecond: rates.of(`up ${member.id}`, upBytes)
      }
    })
    const order = (a: TopMember, b: TopMember): number =>
      Number(b.self) - Number(a.self) || moved(b) - moved(a) || (a.name < b.name ? -1 : 1)
    return rows.toSorted(order)
  }

  /** What moves most, then what is not complete. */
  private contents(): Busy[] {
    const { rates } = this
    const runtime = this.services.runtime()
    const busy = runtime.view.exchange.contents().map((one): Busy => {
      const { upBytes, downBytes } = runtime.traffic.ofContent(one.content)
      return {
        ...one,
        downBytesPerSecond: rates.of(`down ${one.content}`, downBytes),
        upBytesPerSecond: rates.of(`up ${one.content}`, upBytes)
      }
    })
    return busy.toSorted((a, b) => moved(b) - moved(a) || Number(isWhole(a)) - Number(isWhole(b)))
  }

  private async transfer(one: Busy): Promise<TopTransfer> {
    const { content, progress, role, downBytesPerSecond, upBytesPerSecond } = one
    const { reason } = reasonOf(this.services.downloads.state(content))
    const { name, bytes: wholeBytes } = await this.manifestOf(content)
    const bytes = progress?.wantedBytes ?? wholeBytes
    return {
      ...{ id: content, name, state: progress?.state ?? 'seeding' },
      ...(reason === undefined ? {} : { reason }),
      ...{ bytes, haveBytes: progress?.haveBytes ?? bytes, downBytesPerSecond, upBytesPerSecond },
      sources: role === 'seed' ? 0 : (progress?.sources.length ?? 0),
      cells: this.cells(one)
    }
  }

  private cells(one: Busy): number[] {
    if (isWhole(one)) return new Array<number>(TOP_CELLS).fill(TOP_LEVELS)
    const pieces = this.services.runtime().view.exchange.heldPieces(one.content)
    return pieces === undefined ? [] : cellsOf(pieces)
  }

  private async manifestOf(content: ContentId): Promise<{ name: string; bytes: number }> {
    const known = this.known.touch(content)
    if (known !== undefined) return known
    const manifest = (await this.services.store.manifest(content))?.manifest
    if (manifest === undefined) return { name: '', bytes: 0 }
    const fresh = { name: manifest.name, bytes: manifest.layout.bytes }
    this.known.set(content, fresh)
    return fresh
  }
}

function isWhole({ progress }: ContentState): boolean {
  return progress === undefined || progress.state === 'complete'
}

function moved(row: { upBytesPerSecond: number; downBytesPerSecond: number }): number {
  return row.upBytesPerSecond + row.downBytesPerSecond
}
