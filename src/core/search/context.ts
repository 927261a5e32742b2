/** What the parts of search share. */
import { hex } from '../../base/bytes.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Random } from '../../base/random.ts'
import type { Contact } from '../../wire/common.ts'
import { nodeTag, type DescriptorId, type NodeTag, type SearchMessage } from '../../wire/search.ts'
import type { Seat, Signer, Verifier } from '../machine.ts'
import { Outbox } from '../outbox.ts'
import type { SearchCommand, SearchEvent } from './contract.ts'
import { newTally, type DropReason } from './counters.ts'
import type { SearchSettings } from './settings.ts'

const DESCRIPTOR_ID_BYTES = 16

export class SearchContext {
  readonly self: Contact
  readonly selfTag: NodeTag
  readonly random: Random
  readonly signer: Signer
  readonly verifier: Verifier
  readonly settings: SearchSettings
  readonly outbox = new Outbox<SearchMessage, SearchCommand, SearchEvent>()
  readonly tally = newTally()

  constructor(seat: Seat, settings: SearchSettings) {
    this.self = seat.self
    this.selfTag = nodeTag(seat.self.id)
    this.random = seat.random
    this.signer = seat.signer
    this.verifier = seat.verifier
    this.settings = settings
  }

  newId(): DescriptorId {
    return hex(this.random.bytes(DESCRIPTOR_ID_BYTES)) as DescriptorId
  }

  send(to: Contact, message: SearchMessage): void {
    this.tally.sent[message.kind]++
    this.outbox.send(to, 'stream', message)
  }

  /** Only what is small, and may be lost. */
  sendDatagram(to: Contact, message: SearchMessage): void {
    this.tally.sent[message.kind]++
    this.outbox.send(to, 'datagram', message)
  }

  dropped(reason: DropReason): void {
    this.tally.dropped[reason]++
  }

  misbehaved(peer: NodeId, what: string): void {
    this.outbox.emit({ kind: 'misbehaved', peer, what })
  }

  /** A duration within a quarter of the mean. */
  jitter(meanMs: number): number {
    return this.random.range(0.75 * meanMs, 1.25 * meanMs)
  }
}
