/**
 * What the parts of one machine share: who the node is, its random generator, its signer, its settings, and the outbox.
 * A room that shares more extends this class.
 */
import type { Random } from '../base/random.ts'
import type { Contact } from '../wire/common.ts'
import type { MachineContext, Signer, Verifier } from './machine.ts'
import { Outbox } from './outbox.ts'

export class RoomContext<S, M, C, E> {
  readonly self: Contact
  readonly random: Random
  readonly signer: Signer
  readonly verifier: Verifier
  readonly settings: S
  readonly outbox = new Outbox<M, C, E>()

  constructor(machine: MachineContext, settings: S) {
    this.self = machine.self
    this.random = machine.random
    this.signer = machine.signer
    this.verifier = machine.verifier
    this.settings = settings
  }
}
