/** What the parts of search share. */
import { hex } from '../../base/bytes.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Random } from '../../base/random.ts'
import type { Contact } from '../../wire/common.ts'
import { nodeTag, type DescriptorId, type NodeTag, type SearchMessage } from '../../wire/gnutella/search.ts'
import type { MachineContext, Signer, Verifier } from '../machine.ts'
import { Outbox } from '../outbox.ts'
import type { SearchCommand, SearchEvent } from './contract.ts'
import { newCounters, type DropReason } from './counters.ts'
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
  readonly counters = newCounters()

  constructor(machine: MachineContext, settings: SearchSettings) {
    this.self = machine.self
    this.selfTag = nodeTag(machine.self.id)
    this.random = machine.random
    this.signer = machine.signer
    this.verifier = machine.verifier
    this.settings = settings
  }

  newId(): DescriptorId {
    return hex(this.random.bytes(DESCRIPTOR_ID_BYTES)) as DescriptorId
  }

  send(to: Contact, message: SearchMessage): void {
    this.counters.sent[message.kind]++
    this.outbox.send(to, 'stream', message)
  }

  /** Only what is small, and may be lost. */
  sendDatagram(to: Contact, message: SearchMessage): void {
    this.counters.sent[message.kind]++
    this.outbox.send(to, 'datagram', message)
  }

  dropped(reason: DropReason): void {
    this.counters.dropped[reason]++
  }

  misbehaved(peer: NodeId, what: string): void {
    this.outbox.emit({ kind: 'misbehaved', peer, what })
  }

  /** A duration within a quarter of the mean. */
  jitter(meanMs: number): number {
    return this.random.range(0.75 * meanMs, 1.25 * meanMs)
  }
}
