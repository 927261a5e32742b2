/** The ticket that a running node gives away. */
import type { Contact } from '../../wire/common.ts'
import { encodeTicket, TICKET_CONTACTS_MAX } from '../../wire/ticket.ts'
import { ticketFor } from '../home/overlay.ts'
import type { Runtime } from './runtime.ts'

export function invitation(runtime: Runtime): string {
  return encodeTicket(ticketFor(runtime.overlay, inviters(runtime)))
}

/** This node first, then others that are alive: any of them will do. */
function inviters(runtime: Runtime): Contact[] {
  const contacts: Contact[] = runtime.addresses.map(address => ({ id: runtime.self, address }))
  for (const { id, address, state } of runtime.view.membership.members()) {
    if (id !== runtime.self && state === 'alive' && contacts.length < TICKET_CONTACTS_MAX)
      contacts.push({ id, address })
  }
  return contacts
}
