/** Search finds contents by words. Membership tells it who is up; the exchange asks it for pushes (exchange.ts). */
import { searchMessage } from '../../../wire/gnutella/search.ts'
import type { Now } from '../../machine.ts'
import type { MembershipEvent } from '../../membership/member.ts'
import type { Membership } from '../../membership/membership.ts'
import { Search, type SearchSettings } from '../../search/search.ts'
import { SEARCH_DEFAULTS } from '../../search/settings.ts'
import type { NodeRoom } from '../room.ts'
import { isUp, othersUp } from './membership.ts'

interface Options {
  readonly settings: { readonly search: SearchSettings }
}

export const search = {
  number: 5,
  codec: searchMessage,
  settings: (): SearchSettings => SEARCH_DEFAULTS,
  create: (context, { settings }, now) => new Search(context, { settings: settings.search }, now),
  connect: (machine, { membership }, self) => ({
    start: (_contacts, now) => {
      for (const member of othersUp(membership, self)) machine.memberUp(member, now)
      machine.start(now)
    },
    hears: {
      membership: (event: MembershipEvent, now: Now) => {
        if (event.kind !== 'member' || event.member.id === self) return
        const { id, address } = event.member
        if (isUp(event.member)) machine.memberUp({ id, address }, now)
        else machine.memberDown(id, now)
      }
    }
  })
} satisfies NodeRoom<Search, { membership: Membership }, Options>
