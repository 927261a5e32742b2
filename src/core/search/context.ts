/** What the parts of search share: besides RoomContext, the counters and the ways to send. */
import { hex } from '../../base/bytes.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import { nodeTag, type DescriptorId, type NodeTag, type SearchMessage } from '../../wire/gnutella/search.ts'
import type { MachineContext } from '../machine.ts'
import { RoomContext } from '../room-context.ts'
import type { SearchCommand, SearchEvent } from './contract.ts'
import { newCounters, type DropReason } from './counters.ts'
import type { SearchSettings } from './settings.ts'

const DESCRIPTOR_ID_BYTES = 16

export class SearchContext extends RoomContext<SearchSettings, SearchMessage, SearchCommand, SearchEvent> {
  readonly selfTag: NodeTag
  readonly counters = newCounters()

  constructor(machine: MachineContext, settings: SearchSettings) {
    super(machine, settings)
    this.selfTag = nodeTag(machine.self.id)
  }

  newId(): DescriptorId {
    return hex(this.random.bytes(DESCRIPTOR_ID_BYTES)) as DescriptorId
  }

  send(to: Contact, message: SearchMessage): void {
    this.counters.sent[message.kind]++
    this.outbox.send(to, 'stream', message)
  }

  /** For small messages that may be lost. */
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
}
