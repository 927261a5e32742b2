/**
 * Who shares what, asked of every live member: the answer to `ls --all`, to a name given to `get`, and to "am I the last
 * holder". A member that does not answer in time is left out. What is unlisted is told of only to who asks for its ID.
 */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Net } from '../../io/net/net.ts'
import type { Holding } from '../../io/store/catalogue.ts'
import type { ContentStore } from '../../io/store/store.ts'
import { encode, tryDecode } from '../../wire/codec/codec.ts'
import type { Contact } from '../../wire/common.ts'
import {
  SHARES_ANSWER_BYTES_MAX,
  SHARES_MAX,
  SHARES_PROTOCOL,
  sharesAnswer,
  sharesRequest,
  type ShareSummary,
  type SharesRequest
} from '../../wire/shares.ts'

/** For one member's answer. */
const ANSWER_MS = 3_000
const ASKED_AT_ONCE = 16

export interface Listed extends ShareSummary {
  /** In the order in which they answered. */
  readonly holders: NodeId[]
}

interface DirectoryParts {
  readonly net: Net
  readonly store: ContentStore
  readonly isSound: (content: ContentId) => boolean
  readonly ended: AbortSignal
}

export class Directory {
  private readonly net: Net
  private readonly store: ContentStore
  private readonly isSound: (content: ContentId) => boolean
  private readonly ended: AbortSignal

  /**
   * `isSound`: whether all of a complete content can be served. `ended` aborts when the network closes: answers that are
   * missing then say nothing.
   */
  constructor({ net, store, isSound, ended }: DirectoryParts) {
    this.net = net
    this.store = store
    this.isSound = isSound
    this.ended = ended
  }

  async serve(): Promise<void> {
    await this.net.serve(SHARES_PROTOCOL, async (_peer, body) => {
      const request = tryDecode(sharesRequest, body)
      if (request === undefined) throw new Error('no question about shares')
      const shares = await this.listed(request)
      return encode(sharesAnswer, { shares: shares.slice(0, SHARES_MAX), more: shares.length > SHARES_MAX })
    })
  }

  private async listed(request: SharesRequest): Promise<ShareSummary[]> {
    const own = await this.own(request)
    return request.content === undefined ? own.filter(({ content }) => !this.store.isUnlisted(content)) : own
  }

  /** What this node offers, with a manifest: complete or in part, listed or not. */
  async own(filter: SharesRequest): Promise<ShareSummary[]> {
    const summaries: ShareSummary[] = []
    for (const holding of this.store.holdings()) {
      if (!holding.serve || (filter.content !== undefined && filter.content !== holding.content)) continue
      const summary = await this.summary(holding)
      if (summary !== undefined && (filter.name === undefined || filter.name === summary.name)) summaries.push(summary)
    }
    return summaries
  }

  private async summary({ content, complete }: Holding): Promise<ShareSummary | undefined> {
    const held = await this.store.manifest(content)
    if (held === undefined) return undefined
    const { name, layout, files } = held.manifest
    return {
      content,
      name,
      bytes: layout.bytes,
      files: files.length,
      pieceLengthBytes: layout.pieceLengthBytes,
      complete: complete && this.isSound(content)
    }
  }

  /** Asks all of `members`, a bounded number at a time. Rejects with the signal's reason, and `busy` when the network closes. */
  async ask(members: readonly Contact[], filter: SharesRequest, caller: AbortSignal): Promise<Map<ContentId, Listed>> {
    const signal = AbortSignal.any([caller, this.ended])
    const listed = new Map<ContentId, Listed>()
    const waiting = [...members]
    const worker = async (): Promise<void> => {
      for (let member = waiting.shift(); member !== undefined; member = waiting.shift()) {
        for (const summary of await this.askOne(member, filter, signal)) {
          const known = listed.get(summary.content)
          if (known === undefined) listed.set(summary.content, { ...summary, holders: [member.id] })
          else known.holders.push(member.id)
        }
      }
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, worker))
    signal.throwIfAborted()
    return listed
  }

  private async askOne(member: Contact, filter: SharesRequest, signal: AbortSignal): Promise<ShareSummary[]> {
    try {
      const answer = await this.net.request(member, SHARES_PROTOCOL, encode(sharesRequest, filter), {
        maxResponseBytes: SHARES_ANSWER_BYTES_MAX,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
      })
      return tryDecode(sharesAnswer, answer)?.shares ?? []
    } catch {
      return []
    }
  }
}
