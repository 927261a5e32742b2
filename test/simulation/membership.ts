/**
 * A world of membership machines: the contacts of new nodes, the claims that each node signed, and comparisons of
 * views.
 */
import type { NodeId } from '../../src/base/ids.ts'
import { Membership } from '../../src/core/membership/membership.ts'
import type { Member, MembershipEvent } from '../../src/core/membership/member.ts'
import { PRESETS } from '../../src/core/membership/settings.ts'
import type { Signer } from '../../src/core/machine.ts'
import type { SimNode } from '../../src/sim/node.ts'
import { World, type WorldSettings } from '../../src/sim/world.ts'
import { decode } from '../../src/wire/codec/codec.ts'
import type { Address, Contact } from '../../src/wire/common.ts'
import {
  accusationBody,
  aliveBody,
  leaveBody,
  membershipMessage,
  type MembershipMessage
} from '../../src/wire/membership.ts'
import { viewsDiffer } from './support/views.ts'

export type MembershipWorld = World<MembershipMessage, never, MembershipEvent, Membership>
export type MembershipNode = SimNode<Membership>

/** All claims that were signed in the run, recorded by wrapping the signers. */
export class Ledger {
  /** By subject and incarnation. */
  readonly alive = new Map<string, { name: string; address: Address }>()
  /** `kind subject incarnation` of leaves and accusations. */
  readonly said = new Set<string>()
  /** The highest incarnation that each subject signed. */
  readonly highest = new Map<NodeId, number>()

  write(domain: string, body: Uint8Array): void {
    const kind = domain.split('/')[1]
    if (kind === 'alive') {
      const claim = decode(aliveBody, body)
      this.alive.set(`${claim.subject} ${claim.incarnation}`, claim)
      this.writeOwn(kind, claim)
    } else if (kind === 'leave') this.writeOwn(kind, decode(leaveBody, body))
    else {
      const claim = decode(accusationBody, body)
      this.said.add(`${kind} ${claim.subject} ${claim.incarnation}`)
    }
  }

  private writeOwn(kind: string, { subject, incarnation }: { subject: NodeId; incarnation: number }): void {
    this.highest.set(subject, Math.max(incarnation, this.highest.get(subject) ?? 0))
    this.said.add(`${kind} ${subject} ${incarnation}`)
  }

  keeping(signer: Signer): Signer {
    return {
      id: signer.id,
      sign: (domain, claim) => {
        this.write(domain, claim)
        return signer.sign(domain, claim)
      }
    }
  }

  /** Why a row of a view is invalid, or undefined. All of its parts must have been signed. */
  doubt(member: Member): string | undefined {
    const { id, state, incarnation, name, address } = member
    const highest = this.highest.get(id) ?? 0
    if (incarnation > highest) return `incarnation ${incarnation}, but its subject signed at most ${highest}`
    const verdict = state === 'left' ? 'leave' : state
    if (!this.said.has(`${verdict} ${id} ${incarnation}`)) return `no node signed ${verdict} ${incarnation}`
    if (state === 'left') return undefined
    const alive = this.alive.get(`${id} ${incarnation}`)
    const same = alive?.name === name && alive.address.host === address.host && alive.address.port === address.port
    return same ? undefined : 'its name or address differs from the one that its subject signed'
  }
}

export interface MembershipWorldSettings extends Partial<
  WorldSettings<MembershipMessage, never, MembershipEvent, Membership>
> {
  seed: number | string
  preset?: keyof typeof PRESETS
  ledger?: Ledger
  /**
   * The number of nodes, from the first on, that are the contacts of all nodes, at their initial addresses. Default
   * 2.
   */
  contactCount?: number
}

/** A world in which every process starts its membership machine at once. */
export function membershipWorld(settings: MembershipWorldSettings): MembershipWorld {
  const contacts = new Map<NodeId, Contact>()
  const ledger = settings.ledger ?? new Ledger()
  const world: MembershipWorld = new World({
    codec: membershipMessage,
    ...settings,
    create: birth => {
      for (const { contact } of world.nodes.slice(0, settings.contactCount ?? 2)) {
        if (!contacts.has(contact.id)) contacts.set(contact.id, contact)
      }
      const name = `n${world.nodes.findIndex(node => node.id === birth.self.id)}`
      const context = { ...birth, signer: ledger.keeping(birth.signer) }
      const machine = new Membership(context, { name, settings: PRESETS[settings.preset ?? 'lan'] }, birth.now)
      machine.start(
        [...contacts.values()].filter(({ id }) => id !== birth.self.id),
        birth.now
      )
      return machine
    }
  })
  return world
}

/** The first difference between the views of live nodes. Undefined when all see the same live members and no others. */
export function disagreement(world: MembershipWorld): string | undefined {
  return viewsDiffer(world.nodes, machine => machine)
}
