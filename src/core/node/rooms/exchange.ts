/**
 * The exchange fetches and serves contents. The records tell it who provides one and tell others what it holds; search asks
 * a holder that cannot be dialled to dial, and says who wants to be dialled.
 */
import { contentKey, type ContentId } from '../../../base/ids.ts'
import { exchangeMessage } from '../../../wire/exchange.ts'
import type { OverlaySettings } from '../../../wire/ticket.ts'
import type { ExchangeEvent } from '../../exchange/contract.ts'
import { Exchange } from '../../exchange/exchange.ts'
import { exchangeDefaults, type ExchangeSettings } from '../../exchange/settings.ts'
import type { Now } from '../../machine.ts'
import type { MembershipEvent } from '../../membership/member.ts'
import type { Membership } from '../../membership/membership.ts'
import type { Records, RecordsEvent } from '../../records/records.ts'
import { FINDS_MAX } from '../../records/settings.ts'
import type { SearchEvent } from '../../search/contract.ts'
import type { Search } from '../../search/search.ts'
import { Requests } from '../requests.ts'
import type { NodeRoom, OwnSettings } from '../room.ts'
import { contactOf, isUp } from './membership.ts'

/** Finds of the records that the exchange waits for: as many as the records have under way. */
export const PROVIDING_MAX = FINDS_MAX

interface Options {
  readonly settings: { readonly exchange: ExchangeSettings }
}

interface Siblings {
  readonly membership: Membership
  readonly records: Records
  readonly search: Search
}

export const exchange = {
  number: 4,
  codec: exchangeMessage,
  settings: (_overlay: OverlaySettings, { uploadsMax }: OwnSettings): ExchangeSettings => ({
    ...exchangeDefaults,
    uploadsMax
  }),
  create: (context, { settings }, now) => new Exchange(context, { settings: settings.exchange }, now),
  connect: (machine, { membership, records, search }, self) => {
    const providing = new Requests<ContentId>(PROVIDING_MAX)
    return {
      hears: {
        membership: (event: MembershipEvent, now: Now) => {
          if (event.kind !== 'member' || event.member.id === self || isUp(event.member)) return
          machine.memberDown(event.member.id, now)
        },
        records: (event: RecordsEvent, now: Now) => {
          if (event.kind !== 'providers') return
          const content = providing.take(event.request)
          if (content === undefined) return
          const contacts = event.providers.flatMap(({ provider }) => contactOf(membership, provider) ?? [])
          machine.sources(content, contacts, now)
        },
        exchange: (event: ExchangeEvent, now: Now) => {
          if (event.kind === 'wanted-providers') {
            if (providing.isFull) machine.sources(event.content, [], now)
            else providing.add(records.find(contentKey(event.content), now), event.content)
          } else if (event.kind === 'announce') {
            const key = contentKey(event.content)
            if (event.held === 'none') records.withdraw(key, now)
            else records.publish(key, event.held, now)
          } else if (event.kind === 'unreachable') search.requestPush(event.peer, event.content, now)
        },
        /** Who asks to be dialled counts by its id: membership says where it is. */
        search: (event: SearchEvent) => {
          if (event.kind !== 'push') return
          const to = contactOf(membership, event.to.id)
          if (to !== undefined) machine.offer(event.content, to)
        }
      }
    }
  }
} satisfies NodeRoom<Exchange, Siblings, Options>
