/**
 * The node for those who only look: status, doctor, top, metrics. Every method reads; what it returns is a copy or immutable. No
 * command of a room can be reached from here, so whoever holds a view cannot change the node.
 */
import type { Bitfield } from '../../base/bitfield.ts'
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Progress, Shortage } from '../../core/exchange/contract.ts'
import type { ContentState, Exchange, ExchangeCounts } from '../../core/exchange/exchange.ts'
import type { Member } from '../../core/membership/member.ts'
import type { Membership } from '../../core/membership/membership.ts'
import type { Now } from '../../core/machine.ts'
import type { Node } from '../../core/node/node.ts'
import type { Records } from '../../core/records/records.ts'
import type { RingView } from '../../core/ring/ring.ts'
import type { Search } from '../../core/search/search.ts'
import type { Contact } from '../../wire/common.ts'

export interface NodeView {
  readonly self: NodeId
  /** Where a member listens now. */
  contact(id: NodeId): Contact | undefined
  readonly membership: {
    /** This node's own row first. */
    members(): Member[]
    member(id: NodeId): Member | undefined
    /** Members that are alive or suspect, this node included. */
    aliveCount(): number
    counters(): ReturnType<Membership['counters']>
  }
  readonly ring: {
    joined(): boolean
    tables(): RingView
  }
  readonly records: {
    counters(): ReturnType<Records['counters']>
  }
  readonly exchange: {
    /** Undefined for what is not a download. */
    progress(content: ContentId): Progress | undefined
    /** Why a download stands still; undefined while something is under way or can be. */
    shortage(content: ContentId): Shortage | undefined
    contents(): ContentState[]
    banned(): ReturnType<Exchange['banned']>
    counters(): Readonly<ExchangeCounts>
    /** A bit for each piece that is whole and served; undefined before the content's layout is known. */
    heldPieces(content: ContentId): Bitfield | undefined
  }
  readonly search: {
    neighbours(): readonly Contact[]
    reach(): ReturnType<Search['reach']>
    counters(): ReturnType<Search['counters']>
  }
}

/** `now`: the clock that drives the node. */
export function nodeView(node: Node, now: () => Now): NodeView {
  const { membership, ring, records, exchange, search } = node
  return Object.freeze({
    self: node.self,
    contact: (id: NodeId) => structuredClone(node.contact(id)),
    membership: Object.freeze({
      members: () => Array.from(membership.members(), copyOf),
      member: (id: NodeId) => optionalCopy(membership.member(id)),
      aliveCount: () => membership.aliveCount,
      counters: () => membership.counters()
    }),
    ring: Object.freeze({
      joined: () => ring.joined,
      tables: () => structuredClone(ring.view())
    }),
    records: Object.freeze({ counters: () => records.counters() }),
    exchange: Object.freeze({
      progress: (content: ContentId) => exchange.progress(content, now()),
      shortage: (content: ContentId) => exchange.shortage(content),
      contents: () => exchange.contents(now()),
      banned: () => exchange.banned(now()),
      counters: () => exchange.counters(),
      heldPieces: (content: ContentId) => exchange.heldPieces(content)
    }),
    search: Object.freeze({
      neighbours: () => structuredClone(search.neighbours()),
      reach: () => search.reach(now()),
      counters: () => structuredClone(search.counters())
    })
  })
}

/** Cheaper than structuredClone: there may be thousands of members. */
function copyOf(member: Member): Member {
  return { ...member, address: { ...member.address } }
}

function optionalCopy(member: Member | undefined): Member | undefined {
  return member === undefined ? undefined : copyOf(member)
}
