/** Membership says who is up. It hears nothing of its siblings. */
import type { NodeId } from '../../../base/ids.ts'
import type { Contact } from '../../../wire/common.ts'
import { membershipMessage } from '../../../wire/membership.ts'
import type { OverlaySettings } from '../../../wire/ticket.ts'
import type { Member } from '../../membership/member.ts'
import { Membership } from '../../membership/membership.ts'
import { PRESETS, type MembershipSettings } from '../../membership/settings.ts'
import type { NodeRoom } from '../room.ts'

interface Options {
  readonly name: string
  readonly settings: { readonly membership: MembershipSettings }
}

export const membership = {
  number: 1,
  codec: membershipMessage,
  settings: ({ preset }: OverlaySettings): MembershipSettings => PRESETS[preset],
  create: (context, { name, settings }, now) => new Membership(context, { name, settings: settings.membership }, now),
  connect: machine => ({
    start: (contacts, now) => {
      machine.start(contacts, now)
    }
  })
} satisfies NodeRoom<Membership, object, Options>

export function isUp({ state }: Member): boolean {
  return state === 'alive' || state === 'suspect'
}

/** The others that are up. After a restart no event tells of those who were known before until they change. */
export function othersUp(members: Membership, self: NodeId): Contact[] {
  return [...members.members()].flatMap(member =>
    member.id !== self && isUp(member) ? [{ id: member.id, address: member.address }] : []
  )
}

/** Where a member listens now. */
export function contactOf(members: Membership, id: NodeId): Contact | undefined {
  const member = members.member(id)
  return member && { id, address: member.address }
}
