/**
 * When to push-pull and with whom. Rumours alone never reach all (SWIM 4.1 is probabilistic): after joining comes a burst, then
 * a steady pace; while the node is alone it tries its contacts and the dead, less and less often; and one dead member is
 * tried now and then, which is what makes two halves one again.
 */
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import { addressText, sameAddress, type Contact } from '../../../wire/common.ts'
import { contactOf, isLive, type Roster, type Row } from '../view/roster.ts'
import { DEAD_RETRY_MS, SYNC_BURST_MS, SYNC_FIRST_PARTNERS, SYNC_MS } from '../settings.ts'

/** Contacts that have not become members yet. */
export const CONTACTS_MAX = 64
/** A contact that never answered is given up after this many tries, unless it may be the only way in. */
export const CONTACT_TRIES_MAX = 8
/** Steady push-pulls and tries of the dead are spread by this share. */
const SPREAD = 0.25

export class Syncer {
  private readonly roster: Roster
  private readonly random: Random
  /** By id and address: a node of a ticket may be told at several, not all of which can be dialled from here. */
  private readonly contacts = new Map<string, { contact: Contact; tries: number }>()
  /** Push-pulls since the last beginning: 0 is the first one. */
  private step = 0
  private syncAt: Instant | undefined
  private deadAt: Instant | undefined

  constructor(roster: Roster, random: Random) {
    this.roster = roster
    this.random = random
  }

  begin(contacts: readonly Contact[], now: Instant): void {
    this.deadAt ??= after(now, DEAD_RETRY_MS * this.random.unit())
    for (const contact of contacts) {
      if (this.contacts.size < CONTACTS_MAX) this.contacts.set(keyOf(contact), { contact, tries: 0 })
    }
    this.step = 0
    this.syncAt = now
  }

  end(): void {
    this.syncAt = undefined
    this.deadAt = undefined
  }

  /** Somebody came back from the dead, and with it perhaps many: a burst, unless one is under way. */
  revived(now: Instant): void {
    if (this.step <= SYNC_BURST_MS.length) return
    this.step = 1
    this.syncAt = now
  }

  next(): Instant | undefined {
    return earliest(this.syncAt, this.deadAt)
  }

  /** Whom to push-pull with now. */
  partners(now: Instant): Contact[] {
    if (this.syncAt === undefined || this.syncAt > now) return []
    const alone = this.roster.liveCount === 1
    const live = this.roster.sampleLive(this.step === 0 ? SYNC_FIRST_PARTNERS : 1)
    const dead = alone ? this.roster.sampleDead(SYNC_FIRST_PARTNERS) : []
    const partners = new Map<NodeId, Contact>()
    for (const row of [...live, ...dead]) partners.set(row.id, contactOf(row))
    for (const contact of this.contactsToTry(alone)) partners.set(contact.id, contact)
    this.syncAt = after(now, this.pauseMs(alone))
    this.step++
    return [...partners.values()]
  }

  /** A dead member to try now. */
  deadToTry(now: Instant): Row | undefined {
    if (this.deadAt === undefined || this.deadAt > now) return undefined
    this.deadAt = after(now, this.spread(DEAD_RETRY_MS))
    return this.roster.sampleDead(1)[0]
  }

  private contactsToTry(alone: boolean): Contact[] {
    for (const [key, { contact, tries }] of this.contacts) {
      const row = this.roster.get(contact.id)
      // One that is remembered at another address may have moved: being told of this one is news.
      const found =
        row !== undefined && isLive(row.standing.state) && sameAddress(contactOf(row).address, contact.address)
      if (found || (!alone && tries >= CONTACT_TRIES_MAX)) this.contacts.delete(key)
    }
    // One address of a node at a time: the next one has its turn once this one was silent.
    const nodes = new Set<NodeId>()
    const leastTried = [...this.contacts.values()]
      .sort((a, b) => a.tries - b.tries)
      .filter(({ contact: { id } }) => !nodes.has(id) && nodes.add(id))
      .slice(0, SYNC_FIRST_PARTNERS)
    for (const one of leastTried) one.tries++
    return leastTried.map(({ contact }) => contact)
  }

  private pauseMs(alone: boolean): number {
    const burst = SYNC_BURST_MS[this.step]
    if (burst !== undefined) return burst
    // Alone, the burst's doubling goes on up to the steady pause.
    return alone ? Math.min(SYNC_MS, SYNC_BURST_MS[0] * 2 ** this.step) : this.spread(SYNC_MS)
  }

  private spread(ms: number): number {
    return ms * this.random.range(1 - SPREAD, 1 + SPREAD)
  }
}

function keyOf({ id, address }: Contact): string {
  return `${id} ${addressText(address)}`
}
