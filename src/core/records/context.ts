/** What the parts of the records share. */
import type { NodeId } from '../../base/ids.ts'
import { greatest } from '../../base/numbers.ts'
import { inRange, type KeyRange } from '../../base/ring.ts'
import type { Key } from '../../base/ids.ts'
import type { Contact } from '../../wire/common.ts'
import type { RecordsMessage } from '../../wire/records.ts'
import type { Channel, MachineContext } from '../machine.ts'
import { RoomContext } from '../room-context.ts'
import type { RecordsEvent } from './events.ts'
import { DATAGRAM_COPIES_MAX, DATAGRAM_MARKS_MAX, DATAGRAM_OUTCOMES_MAX, type RecordsSettings } from './settings.ts'

/** What this node owns, who holds copies of that, and what it holds for others: the ring's event `ranges`. */
export interface Charge {
  /** Keys that this node owns, by the replicas that they have: this node is the first. */
  readonly owned: readonly OwnedRange[]
  /** By membership this node is a replica of these keys. */
  readonly replicated: KeyRange
  /** It takes records of these, since some of the members beside it may be no replicas yet. */
  readonly accepted: KeyRange
}

export interface OwnedRange extends KeyRange {
  readonly replicas: readonly Contact[]
}

export class RecordsContext extends RoomContext<RecordsSettings, RecordsMessage, never, RecordsEvent> {
  /** Undefined until the ring has told. */
  charge: Charge | undefined
  private request: number

  constructor(machine: MachineContext, settings: RecordsSettings) {
    super(machine, settings)
    // Late answers to requests of the time before a restart match none.
    this.request = machine.random.u32()
  }

  nextRequest(): number {
    return this.request++
  }

  /** Whether this node may be among the replicas of the key: it takes records of it. */
  mayBeMine(key: Key): boolean {
    return this.charge !== undefined && inRange(this.charge.accepted, key)
  }

  /** Whether this node is among the replicas of the key, as far as it knows. */
  isMine(key: Key): boolean {
    return this.charge !== undefined && inRange(this.charge.replicated, key)
  }

  /** How many replicas a key has, as far as this node knows: those of its own keys. 0 before the ring has told. */
  get replicaCount(): number {
    return greatest(0, this.charge?.owned.map(({ replicas }) => replicas.length) ?? [])
  }

  /** Returns the channel. */
  send(to: Contact, message: RecordsMessage): Channel {
    const channel = fitsDatagram(message) ? 'datagram' : 'stream'
    this.outbox.send(to, channel, message)
    return channel
  }

  /** The pause after so many failures in a row. */
  backoffMs(failures: number): number {
    return this.random.jitter(
      Math.min(this.settings.backoffMsMax, this.settings.backoffMs * 2 ** Math.min(failures, 16))
    )
  }

  /** For the answer to what was sent `sends` times over the channel. */
  answerMs(channel: Channel, sends: number): number {
    const { answerMs, streamAnswerMs } = this.settings
    return (channel === 'stream' ? streamAnswerMs : answerMs) * 2 ** (sends - 1)
  }
}

function fitsDatagram(message: RecordsMessage): boolean {
  switch (message.kind) {
    case 'put':
      return message.copies.length <= DATAGRAM_COPIES_MAX
    case 'got':
      return message.records.length <= DATAGRAM_COPIES_MAX
    case 'stored':
      return message.outcomes.length <= DATAGRAM_OUTCOMES_MAX
    case 'inventory':
    case 'pull':
      return message.marks.length <= DATAGRAM_MARKS_MAX
    case 'get':
    case 'sync':
    case 'same':
    case 'more':
      return true
  }
}

/** A map's key for a record. */
export function nameOf(record: { key: Key; provider: NodeId }): string {
  return `${record.key}/${record.provider}`
}
