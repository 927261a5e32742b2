/**
 * The node in one overlay: its runtime, the directory of shares and the monitor of shares, opened and closed
 * together.
 * Another overlay is another session; the state database, the store and the index outlive it.
 */
import type { Logger } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import { peerIdText, type ContentId } from '../../base/ids.ts'
import type { ContentStore } from '../../io/store/store.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { NodeEvent } from '../../core/node/node.ts'
import type { Downloads } from '../downloads/downloads.ts'
import { downloadNode } from '../downloads/node.ts'
import { markMet, type Home } from '../home/home.ts'
import type { Overlay } from '../home/overlay.ts'
import { Directory } from '../sharing/directory.ts'
import { ShareMonitor } from '../sharing/monitor.ts'
import type { Indexing } from '../sharing/indexing.ts'
import { Runtime, type RuntimeParts } from './runtime.ts'

export type LivingHome = Home & { readonly overlay: Overlay }

export interface SessionParts extends Omit<RuntimeParts, 'index'> {
  readonly home: LivingHome
  readonly indexing: Indexing
  /** They outlive the session, which gives them a node. */
  readonly downloads: Downloads
  /** Whether the home's overlay is still that of the session: only then is anything written to it. */
  readonly isCurrent: (session: Session) => boolean
}

export class Session {
  readonly runtime: Runtime
  readonly directory: Directory
  readonly monitor: ShareMonitor
  /** With the contacts and keys that came since it was opened. */
  home: LivingHome
  private readonly parts: SessionParts
  private readonly log: Logger

  private constructor(parts: SessionParts, runtime: Runtime) {
    const { home, store, log } = parts
    this.parts = parts
    this.home = home
    this.log = log
    this.runtime = runtime
    const monitor = monitorOf(runtime, store, log)
    this.monitor = monitor
    const isSound = (content: ContentId): boolean => monitor.isSound(content)
    this.directory = new Directory({ net: runtime.net, store, isSound, ended: runtime.ended })
  }

  /** Listens, announces itself, offers what is shared and goes on with downloads. Throws ShoalError. */
  static async open(parts: SessionParts): Promise<Session> {
    const { indexing } = parts
    const runtime = await Runtime.open({ ...parts, index: indexing.index })
    const session = new Session(parts, runtime)
    try {
      runtime.watch(event => {
        session.hear(event)
      })
      indexing.tellTo(({ table, files, bytes }) => {
        runtime.hint(undefined, (node, at) => {
          node.search.indexed(table, files, bytes, at)
        })
      })
      await session.directory.serve()
      await parts.downloads.attach(downloadNode(runtime), session.monitor)
      session.monitor.start()
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  get listening(): Address {
    return this.runtime.net.listening
  }

  sayGoodbye(signal?: AbortSignal): Promise<void> {
    return this.runtime.sayGoodbye(signal)
  }

  /** Looks for the contacts of a ticket of the same overlay. */
  lookFor(contacts: readonly Contact[]): Promise<void> {
    return this.runtime.join(contacts)
  }

  async close(): Promise<void> {
    this.parts.indexing.tellTo(undefined)
    this.parts.downloads.detach()
    try {
      await this.monitor.close()
    } finally {
      await this.runtime.close()
    }
  }

  private hear({ room, event }: NodeEvent): void {
    if (room !== 'membership' || event.kind !== 'member') return
    const { name, id, state } = event.member
    this.log.info({ member: name, id: peerIdText(id), state, was: event.was }, 'member')
    if (!this.home.overlay.met && this.parts.isCurrent(this)) this.noteMet()
  }

  /** If the disk is full, it is tried again with the next event of a member. */
  private noteMet(): void {
    try {
      this.home = { ...markMet(this.home), overlay: { ...this.home.overlay, met: true } }
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      this.log.warn({ problem: error.message }, 'cannot write to the home that a member was met')
    }
  }
}

function monitorOf(runtime: Runtime, store: ContentStore, log: Logger): ShareMonitor {
  return new ShareMonitor({
    ...{ store, log, wallMs: () => Date.now() },
    exchange: {
      withdraw: (content, pieces) => {
        runtime.hint(undefined, (node, at) => {
          node.exchange.withdraw(content, pieces, at)
        })
      },
      restore: (content, pieces) => {
        runtime.hint(undefined, (node, at) => {
          node.exchange.restore(content, pieces, at)
        })
      }
    }
  })
}
