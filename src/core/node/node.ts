/**
 * One node: the rooms of the table (table.ts) composed into one machine. What a room does with the events of its siblings
 * stands in its entry.
 */
import { contentKey, type ContentId, type NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { Layout } from '../../wire/bittorrent/layout.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { MachineContext, Now } from '../machine.ts'
import type { Membership } from '../membership/membership.ts'
import type { Records } from '../records/records.ts'
import type { Ring } from '../ring/ring.ts'
import type { Search } from '../search/search.ts'
import { Composite } from './composite.ts'
import { contactOf } from './rooms/membership.ts'
import { table, type NodeSettings } from './table.ts'

export type { NodeCommand, NodeEvent, NodeMessage, NodeSettings } from './table.ts'

export interface NodeOptions {
  readonly name: string
  readonly settings: NodeSettings
}

export class Node extends Composite<typeof table, NodeOptions> {
  readonly self: NodeId

  constructor(context: MachineContext, options: NodeOptions, now: Now) {
    super(table, context, options, now)
    this.self = context.self.id
  }

  // Short names of rooms that many callers use; every room of the table is in `rooms`.

  get membership(): Membership {
    return this.rooms.membership
  }

  get ring(): Ring {
    return this.rooms.ring
  }

  get records(): Records {
    return this.rooms.records
  }

  get exchange(): Exchange {
    return this.rooms.exchange
  }

  get search(): Search {
    return this.rooms.search
  }

  // What concerns several rooms at once.

  /** All of it is here: it is served and published. */
  seed(content: ContentId, layout: Layout, now: Now): void {
    this.exchange.seed(content, layout, now)
    this.records.publish(contentKey(content), 'all', now)
  }

  /** Whether what is held of the content is published. */
  setOffered(content: ContentId, offered: boolean): void {
    this.exchange.setOffered(content, offered)
  }

  /** Where a member listens now. */
  contact(id: NodeId): Contact | undefined {
    return contactOf(this.membership, id)
  }
}
