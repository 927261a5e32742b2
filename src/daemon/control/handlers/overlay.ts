/** Who belongs: members, invite, join, leave. */
import { addressText } from '../../../wire/common.ts'
import { peerIdText } from '../../../base/ids.ts'
import { ShoalError } from '../../../base/errors.ts'
import { decodeTicket, type Ticket } from '../../../wire/ticket.ts'
import type { MemberRow } from '../../../wire/control/methods.ts'
import { reachWarning } from '../../node/addresses.ts'
import type { Call, Handlers } from '../server.ts'
import { invitation } from '../../node/invitation.ts'
import type { Runtime } from '../../node/runtime.ts'
import type { Services } from '../services.ts'
import { probe } from '../../node/probe.ts'
import { StoppingError } from '../../life.ts'

const JOIN_MS = 5_000
const WAIT_MS = 60_000

export function overlayHandlers(services: Services): Pick<Handlers, 'members' | 'invite' | 'join' | 'leave'> {
  return {
    members: async ({ wait, timeoutMs }, call) => {
      if (wait !== undefined) await waitForMembers(services, { wait, timeoutMs: timeoutMs ?? WAIT_MS }, call)
      const { twin } = services.runtime()
      return { members: memberRows(services), ...(twin === undefined ? {} : { twin: addressText(twin) }) }
    },
    invite: async () => {
      const { runtime } = services
      const ticket = invitation(runtime())
      const warning = reachWarning(runtime().addresses)
      return warning === undefined ? { ticket } : { ticket, warning }
    },
    join: async ({ ticket, timeoutMs }, call) => {
      const decoded = decodeTicket(ticket)
      await unlessStopped(services.adoptTicket(decoded), call.signal)
      return joined(services, decoded, timeoutMs ?? JOIN_MS, call)
    },
    leave: async (_, { signal }) => {
      await unlessStopped(services.leaveOverlay(), signal)
      return { left: true }
    }
  }
}

/** A stop does not wait for the caller of a change, and the change not for its caller. */
async function unlessStopped(change: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    if (!(signal.reason instanceof StoppingError)) aborted.reject(signal.reason as Error)
    else aborted.reject(new ShoalError('interrupted', 'the daemon is stopping while it changes its overlay', STOPPED))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([change, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

const STOPPED = { hint: 'start it again: `shoal status` says in which overlay it is then' }

function memberRows(services: Services): MemberRow[] {
  const runtime = services.runtime()
  const rows: MemberRow[] = []
  for (const { id, name, address, state, incarnation } of runtime.view.membership.members()) {
    rows.push({
      id: peerIdText(id),
      name,
      address: addressText(address),
      state,
      incarnation,
      self: id === runtime.self
    })
  }
  return rows.toSorted(
    (a, b) => Number(b.self) - Number(a.self) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1)
  )
}

async function waitForMembers(
  services: Services,
  { wait, timeoutMs }: { wait: number; timeoutMs: number },
  { signal, emit }: Call<'members'>
): Promise<void> {
  const late = AbortSignal.timeout(timeoutMs)
  let seen = -1
  const isEnough = (alive: number): boolean => {
    if (alive < wait && alive !== seen) emit({ event: 'waiting', alive, for: `${wait} alive members` })
    seen = alive
    return alive >= wait
  }
  const either = AbortSignal.any([signal, late])
  while (!isAborted(either)) {
    await services.settled(signal)
    const runtime = services.runtime()
    // In the next overlay it waits on.
    if (await aliveUntil(runtime, isEnough, AbortSignal.any([either, runtime.ended]))) return
  }
  signal.throwIfAborted()
  throw new ShoalError('timeout', `${seen} of ${wait} members are alive after ${timeoutMs / 1000} s`, {
    hint: '`shoal members` shows who is missing; a firewall must pass TCP and UDP on the port that each one shows'
  })
}

const isAborted = (signal: AbortSignal): boolean => signal.aborted

/** Judges how many members are alive, now and after every event of the membership. False when the signal aborts first. */
async function aliveUntil(
  runtime: Runtime,
  isEnough: (alive: number) => boolean,
  signal: AbortSignal
): Promise<boolean> {
  const { membership } = runtime.view
  if (isEnough(membership.aliveCount())) return true
  const enough = runtime.when({
    signal,
    pick: ({ room }) => (room === 'membership' && isEnough(membership.aliveCount()) ? true : undefined)
  })
  return enough.catch((error: unknown) => {
    if (signal.aborted) return false
    throw error
  })
}

async function joined(
  services: Services,
  ticket: Ticket,
  timeoutMs: number,
  { signal, emit }: Call<'join'>
): Promise<{ overlay: string; members: number }> {
  const contacts = ticket.contacts.filter(({ id }) => id !== services.runtime().self)
  const places = contacts.map(({ address }) => addressText(address)).join(', ')
  if (contacts.length > 0) emit({ event: 'waiting', for: `an answer of ${places}` })
  const runtime = services.runtime()
  const isEnough = (alive: number): boolean => alive > 1 || contacts.length === 0
  if (await aliveUntil(runtime, isEnough, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))) {
    return { overlay: runtime.overlay.id, members: runtime.view.membership.aliveCount() }
  }
  signal.throwIfAborted()
  throw await probe(services.runtime(), contacts, timeoutMs)
}
