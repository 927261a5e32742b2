/**
 * Peers that sent corrupt data. A peer is banned for the content, and for all contents after a second one. Bans last an
 * hour, are in memory only and at most BANS_MAX: after a restart, a banned peer can waste one more leaf.
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

  /** Bans the peer, and returns whether the ban is for the content or for all contents. */
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
