/** The records say who provides a content. The ring answers where a key lies, and tells which keys are this node's. */
import { recordsMessage } from '../../../wire/records.ts'
import type { OverlaySettings } from '../../../wire/ticket.ts'
import type { Now } from '../../machine.ts'
import type { MembershipEvent } from '../../membership/member.ts'
import { Records, type RecordsEvent } from '../../records/records.ts'
import { FINDS_MAX, LOCATES_MAX, RECORDS_DEFAULTS, type RecordsSettings } from '../../records/settings.ts'
import type { Ring, RingEvent } from '../../ring/ring.ts'
import { Requests } from '../requests.ts'
import type { NodeRoom } from '../room.ts'
import { isUp } from './membership.ts'

/** Lookups of the ring that the records wait for: as many as they have deliveries and finds that look up. */
export const LOCATING_MAX = LOCATES_MAX + FINDS_MAX

interface Options {
  readonly settings: { readonly records: RecordsSettings }
}

export const records = {
  number: 3,
  codec: recordsMessage,
  settings: ({ replicas }: OverlaySettings): RecordsSettings => ({ ...RECORDS_DEFAULTS, replicas }),
  create: (context, { settings }, now) => new Records(context, { settings: settings.records }, now),
  connect: (machine, { ring }, self) => {
    const locating = new Requests<number>(LOCATING_MAX)
    return {
      hears: {
        membership: (event: MembershipEvent, now: Now) => {
          if (event.kind !== 'member' || event.member.id === self || isUp(event.member)) return
          machine.memberDown(event.member.id, now)
        },
        ring: (event: RingEvent, now: Now) => {
          if (event.kind === 'ranges') machine.rangesChanged(event.ranges, now)
          if (event.kind !== 'found' && event.kind !== 'lost') return
          const request = locating.take(event.request)
          if (request !== undefined) machine.located(request, event.kind === 'found' ? event : undefined, now)
        },
        records: (event: RecordsEvent, now: Now) => {
          if (event.kind !== 'locate') return
          if (locating.isFull) machine.located(event.request, undefined, now)
          else locating.add(ring.lookup(event.key, now), event.request)
        }
      }
    }
  }
} satisfies NodeRoom<Records, { ring: Ring }, Options>
