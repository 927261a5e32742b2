/** What only a running node can say: who answers it, lane by lane, and who it knows. */
import { randomInt } from 'node:crypto'
import { expectDefined } from '../../../base/assert.ts'
import { SHARES_PROTOCOL } from '../../../wire/shares.ts'
import { addressText, type Contact } from '../../../wire/common.ts'
import type { DoctorRow } from '../../../wire/control/doctor.ts'
import { reachOf, type Reach } from '../../node/addresses.ts'
import type { Runtime } from '../../node/runtime.ts'

/** Members that are asked over TCP. */
const ASKED_MAX = 8
/** Two who answer show that it is not the other one's fault. */
const ANSWERS_ENOUGH = 2
const DIAL_MS = 3_000
/** By then every member of a small overlay was pinged. */
const UDP_KNOWN_MS = 30_000
/** With so many connections, one of them was opened by the other side, if it can be. */
const INBOUND_EXPECTED_FROM = 3

const REACHED_FROM: Readonly<Record<Reach, string>> = {
  public: 'which everybody can dial',
  private: 'which only this network can dial',
  link: 'which only this network can dial',
  loopback: 'which only this machine can dial'
}

export interface Lane {
  lane: 'tcp' | 'udp'
  /** Members that answered, of those that were asked. */
  answered: number
  asked: number
  /** Too early to say that nobody answers. */
  young: boolean
  /** HOST:PORT, what others dial. */
  addresses: string
  /** Other members must be dialled, and nobody dialled this node. */
  neverDialled: boolean
  /** How far the first address reaches; undefined where the other lane has said it. */
  reach: Reach | undefined
}

export async function tcpRow(runtime: Runtime, signal: AbortSignal): Promise<DoctorRow> {
  const contacts = someOf(runtime.othersAlive(), ASKED_MAX)
  const answers = await Promise.all(contacts.map(contact => isReached(runtime, contact, signal)))
  const { connections, inbound } = runtime.net.counts()
  return judgeLane({
    ...{ lane: 'tcp', answered: answers.filter(Boolean).length, asked: contacts.length, young: false },
    ...{ addresses: runtime.addresses.map(addressText).join(', '), reach: reachOf(runtime.addresses[0].host) },
    neverDialled: inbound === 0 && connections >= INBOUND_EXPECTED_FROM
  })
}

/** Membership pings everybody in turn: what it measured says who answers. */
export function udpRow(runtime: Runtime, uptimeMs: number): DoctorRow {
  let asked = 0
  let answered = 0
  for (const { id, state, rttMs } of runtime.view.membership.members()) {
    if (id === runtime.self || state !== 'alive') continue
    asked++
    if (rttMs !== undefined) answered++
  }
  const addresses = runtime.addresses.map(addressText).join(', ')
  const young = uptimeMs < UDP_KNOWN_MS
  return judgeLane({ lane: 'udp', answered, asked, young, addresses, neverDialled: false, reach: undefined })
}

export function judgeLane({ lane, answered, asked, young, addresses, neverDialled, reach }: Lane): DoctorRow {
  const check = lane
  const name = lane.toUpperCase()
  const advertise = 'shoal daemon --advertise HOST[:PORT] says what others must dial'
  if (asked === 0) {
    return {
      ...{ check, status: 'warn', text: `listens on ${addresses} (${name}); no other member is up to try it with` },
      fix: 'shoal invite here and shoal join there, or wait for the others'
    }
  }
  const text = `${answered} of ${asked} members answer over ${name}; listens on ${addresses}`
  if (answered < Math.min(ANSWERS_ENOUGH, asked)) {
    const fix = `let the firewalls pass ${name} on the port that \`shoal members\` shows, here and there`
    return { check, status: young ? 'warn' : 'fail', text, fix }
  }
  if (neverDialled) return { check, status: 'warn', text: `${text}; nobody has dialled this node`, fix: advertise }
  const far = reach === undefined ? '' : `, ${REACHED_FROM[reach]}`
  return { check, status: 'ok', text: text + far }
}

export function peersRow(runtime: Runtime): DoctorRow {
  const members = { alive: 0, suspect: 0, dead: 0, left: 0 }
  for (const { state } of runtime.view.membership.members()) members[state]++
  return judgePeers(members, runtime.twin === undefined ? undefined : addressText(runtime.twin))
}

/** `twin`: HOST:PORT of another node that runs with this node's key. */
export function judgePeers(
  members: Readonly<Record<'alive' | 'suspect' | 'dead' | 'left', number>>,
  twin: string | undefined
): DoctorRow {
  const { alive, suspect, dead, left } = members
  const check = 'peers'
  const text = `${alive} alive, ${suspect} suspect, ${dead} dead, ${left} left`
  if (twin !== undefined) {
    return {
      ...{ check, status: 'fail', text: `${text}; another node runs with this key, at ${twin}` },
      fix: 'stop one of them, and give it a home of its own: shoal --home DIR'
    }
  }
  if (alive + suspect <= 1)
    return { check, status: 'warn', text: `${text}: this node is alone`, fix: 'shoal invite here, shoal join there' }
  if (suspect > 0)
    return { check, status: 'warn', text, fix: '`shoal members` names them: are they up, and does UDP reach them?' }
  if (dead > 0) return { check, status: 'warn', text, fix: 'they come back when their daemons run: `shoal members`' }
  return { check, status: 'ok', text }
}

export function refusedRow(runtime: Runtime): DoctorRow {
  const { refusals, refusalsByReason } = runtime.net.counts()
  const reasons = Object.entries(refusalsByReason).filter(([, count]) => count > 0)
  if (refusals === 0) return { check: 'refused', status: 'ok', text: 'nobody was refused' }
  return {
    ...{ check: 'refused', status: 'warn', text: reasons.map(([reason, count]) => `${reason}: ${count}`).join(', ') },
    fix: 'the log says who: an old ticket, another overlay on this port, or a stranger'
  }
}

async function isReached({ net }: Runtime, contact: Contact, signal: AbortSignal): Promise<boolean> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)])
  try {
    const stream = await net.openStream(contact, SHARES_PROTOCOL, deadline)
    stream.abort(new Error('only a look'))
    return true
  } catch {
    signal.throwIfAborted()
    return false
  }
}

function someOf<T>(all: readonly T[], most: number): T[] {
  const rest = [...all]
  const chosen: T[] = []
  while (chosen.length < most && rest.length > 0)
    chosen.push(expectDefined(rest.splice(randomInt(rest.length), 1)[0], 'one is left'))
  return chosen
}
