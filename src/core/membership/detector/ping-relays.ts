/** Pings that this node sends on behalf of others (SWIM 3.1: ping-req). */
import type { NodeId } from '../../../base/ids.ts'
import type { Instant } from '../../../base/time.ts'
import type { Contact } from '../../../wire/common.ts'

/** Relayed pings under way at once; above it a request is not served, and the requester has other proxies. */
export const RELAYS_MAX = 256

interface Relay {
  readonly requester: Contact
  /** The requester's own number, which the relayed ack carries. */
  readonly sequence: number
  readonly target: NodeId
  readonly deadline: Instant
}

export class PingRelays {
  private readonly relays = new Map<number, Relay>()

  get size(): number {
    return this.relays.size
  }

  /** `sequence` is this node's number for the ping. False when there are too many. */
  add(sequence: number, relay: Relay, now: Instant): boolean {
    if (this.relays.size >= RELAYS_MAX) {
      for (const [old, { deadline }] of this.relays) if (deadline <= now) this.relays.delete(old)
    }
    if (this.relays.size >= RELAYS_MAX) return false
    this.relays.set(sequence, relay)
    return true
  }

  /** Takes out whom to pass the ack on to. An answer after the deadline is of no use to the requester. */
  answered(from: NodeId, sequence: number, now: Instant): Relay | undefined {
    const relay = this.relays.get(sequence)
    if (relay === undefined || relay.target !== from) return undefined
    this.relays.delete(sequence)
    return relay.deadline > now ? relay : undefined
  }
}
