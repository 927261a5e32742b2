/** The ring says who owns a key. Membership tells it who is up, and that this node was taken for dead. */
import { ringMessage } from '../../../wire/ring.ts'
import type { OverlaySettings } from '../../../wire/ticket.ts'
import type { Now } from '../../machine.ts'
import type { MembershipEvent } from '../../membership/member.ts'
import type { Membership } from '../../membership/membership.ts'
import { Chord } from '../../ring/chord/chord.ts'
import type { Ring } from '../../ring/ring.ts'
import { RING_DEFAULTS, type RingSettings } from '../../ring/settings.ts'
import type { NodeRoom } from '../room.ts'
import { isUp, othersUp } from './membership.ts'

interface Options {
  readonly settings: { readonly ring: RingSettings }
}

export const ring = {
  number: 2,
  codec: ringMessage,
  settings: ({ replicas }: OverlaySettings): RingSettings => ({ ...RING_DEFAULTS, replicas }),
  create: (context, { settings }, now): Ring => new Chord(context, { settings: settings.ring }, now),
  connect: (machine, { membership }, self) => ({
    start: (_contacts, now) => {
      for (const member of othersUp(membership, self)) machine.memberUp(member, now)
      machine.start(now)
    },
    hears: {
      membership: (event: MembershipEvent, now: Now) => {
        if (event.kind === 'refuted' && event.accusation === 'dead') machine.rejoin(now)
        if (event.kind !== 'member' || event.member.id === self) return
        const { id, address } = event.member
        if (isUp(event.member)) machine.memberUp({ id, address }, now)
        else machine.memberDown(id, now)
      }
    }
  })
} satisfies NodeRoom<Ring, { membership: Membership }, Options>
