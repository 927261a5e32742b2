/**
 * What the parts of one machine share: the node's contact, random generator, signer, verifier and settings, and the
 * outbox. Rooms extend this class with their own shared state.
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
