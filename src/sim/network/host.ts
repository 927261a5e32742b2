/** A computer with at most one process on it: what the network sees of a node. */
import type { NodeId } from '../../base/ids.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { SimEvent } from '../event-queue.ts'

/** `off`: no process; `paused`: stopped by SIGSTOP, what comes in waits. */
export type ProcessState = 'off' | 'running' | 'paused'

export class SimHost {
  readonly index: number
  readonly id: NodeId
  /** Short, for traces: n0, n1, … */
  readonly name: string
  contact: Contact
  process: ProcessState = 'off'
  /** False after the whole computer went down: nothing answers, not even with a refusal. */
  powered = true
  /** How often a process was started here; tells the process of now from its predecessors. */
  boots = 0
  /** What came in while paused, in order. */
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

  /** True when `what` has to wait until the process is resumed. */
  holds(what: SimEvent): boolean {
    if (this.process !== 'paused') return false
    this.backlog.push(what)
    return true
  }
}
