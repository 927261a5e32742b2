/**
 * Who sent wrong bytes: banned for that content, and everywhere with the second content. In memory only, for an hour, at most
 * BANS_MAX of them: after a restart a liar costs one leaf more.
 */
import { LruMap } from '../../../base/bounded.ts'
import type { ContentId, NodeId } from '../../../base/ids.ts'
import { after, type Instant } from '../../../base/time.ts'
import type { BanReason } from '../../../wire/exchange.ts'
import { BAN_MS, BANS_MAX } from '../settings.ts'

export interface Ban {
  readonly peer: NodeId
  readonly content: ContentId | 'everywhere'
  readonly reason: BanReason
}

export class Bans {
  private readonly bans = new LruMap<string, Ban & { readonly until: Instant }>(BANS_MAX)

  private add(ban: Ban, now: Instant): void {
    this.bans.set(`${ban.peer} ${ban.content}`, { ...ban, until: after(now, BAN_MS) })
  }

  /** Answers how far the ban reaches. */
  ban(peer: NodeId, content: ContentId, reason: BanReason, now: Instant): 'content' | 'everywhere' {
    const others = this.list(now).some(ban => ban.peer === peer && ban.content !== content)
    this.add({ peer, content, reason }, now)
    if (!others) return 'content'
    this.add({ peer, content: 'everywhere', reason }, now)
    return 'everywhere'
  }

  has(peer: NodeId, content: ContentId | 'everywhere', now: Instant): boolean {
    const until = (what: string) => this.bans.get(`${peer} ${what}`)?.until ?? now
    return until('everywhere') > now || until(content) > now
  }

  list(now: Instant): Ban[] {
    return [...this.bans.values()]
      .filter(ban => ban.until > now)
      .map(({ peer, content, reason }) => ({ peer, content, reason }))
  }
}
