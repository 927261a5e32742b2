/** A computer with at most one process: the part of a node that the network uses. */
import type { NodeId } from '../../base/ids.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { SimEvent } from '../event-queue.ts'

/** `off`: no process. `paused`: stopped by SIGSTOP; inputs wait. */
export type ProcessState = 'off' | 'running' | 'paused'

export class SimHost {
  readonly index: number
  readonly id: NodeId
  /** A short name for traces: n0, n1, … */
  readonly name: string
  contact: Contact
  process: ProcessState = 'off'
  /** False after the whole computer crashed: it does not even refuse a dial. */
  powered = true
  /** The number of process starts on this host. It distinguishes the current process from earlier ones. */
  boots = 0
  /** Inputs that arrived while paused, in order. */
  backlog: SimEvent[] = []

  constructor(index: number, id: NodeId, address: Address) {
    this.index = index
    this.id = id
    this.name = `n${index}`
    this.contact = { id, address }
  }

  get address(): Address {
    return this.contact.address
  }

  /** Queues `what` and returns true when the process is paused. */
  holds(what: SimEvent): boolean {
    if (this.process !== 'paused') return false
    this.backlog.push(what)
    return true
  }
}
