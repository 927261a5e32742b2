/** Counts bytes of blocks by peer and by content: for `status`, metrics and tests. */
import { LruMap } from '../../base/bounded.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'

const PEERS_MAX = 1_024
const CONTENTS_MAX = 4_096

export interface Count {
  upBytes: number
  downBytes: number
}

export class Traffic {
  private readonly byPeer = new LruMap<NodeId, Count>(PEERS_MAX)
  private readonly byContent = new LruMap<ContentId, Count>(CONTENTS_MAX)
  private readonly all: Count = { upBytes: 0, downBytes: 0 }
  /** Payload bytes that no request announced. */
  unexpectedBytes = 0

  sent(peer: NodeId, content: ContentId, bytes: number): void {
    this.all.upBytes += bytes
    countOf(this.byPeer, peer).upBytes += bytes
    countOf(this.byContent, content).upBytes += bytes
  }

  received(peer: NodeId, content: ContentId, bytes: number): void {
    this.all.downBytes += bytes
    countOf(this.byPeer, peer).downBytes += bytes
    countOf(this.byContent, content).downBytes += bytes
  }

  unexpected(_peer: NodeId, bytes: number): void {
    this.unexpectedBytes += bytes
  }

  /** Over all peers and contents, including evicted ones. */
  get total(): Readonly<Count> {
    return this.all
  }

  ofPeer(peer: NodeId): Readonly<Count> {
    return this.byPeer.get(peer) ?? { upBytes: 0, downBytes: 0 }
  }

  ofContent(content: ContentId): Readonly<Count> {
    return this.byContent.get(content) ?? { upBytes: 0, downBytes: 0 }
  }
}

function countOf<K>(counts: LruMap<K, Count>, key: K): Count {
  const known = counts.touch(key)
  if (known !== undefined) return known
  const count = { upBytes: 0, downBytes: 0 }
  counts.set(key, count)
  return count
}
