/** A node of the world: a host, and the machine that its current process runs. */
import type { NodeId } from '../base/ids.ts'
import { LinkEpochs } from '../core/link-epochs.ts'
import type { Random } from '../base/random.ts'
import type { Address } from '../wire/common.ts'
import type { Clock } from './outside/clock.ts'
import type { Disk } from './outside/disk.ts'
import { SimHost } from './network/host.ts'
import { expectDefined } from '../base/assert.ts'

export class SimNode<N> extends SimHost {
  readonly clock: Clock
  readonly disk: Disk
  readonly random: Random
  /** The machine. Undefined while there is no process. */
  running: N | undefined
  /** When the earliest wake on the event queue is due, in virtual time. */
  wakeAtMs = Infinity
  /** Consecutive wakes after which the machine asked for another one at once; `sameWakes`: for the same instant. */
  lateWakes = 0
  sameWakes = 0
  /** The link epochs of the current process. */
  epochs = new LinkEpochs()
  /** When the uplink has sent all bulk that was handed to it. */
  uplinkFreeMs = 0
  /** May be changed at any time. */
  uplinkBytesPerSecond = Infinity

  constructor(
    place: { index: number; id: NodeId; address: Address },
    parts: { clock: Clock; disk: Disk; random: Random }
  ) {
    super(place.index, place.id, place.address)
    this.clock = parts.clock
    this.disk = parts.disk
    this.random = parts.random
  }

  /** The machine of the process, running or paused. Throws AssertionError when there is none. */
  get machine(): N {
    return expectDefined(this.running, `${this.name} has a process`)
  }

  get isUp(): boolean {
    return this.process === 'running'
  }
}
