/** Why nobody of the ticket answered: which of TCP and UDP got no answer, and from where. */
import { ShoalError } from '../../base/errors.ts'
import { SHARES_PROTOCOL } from '../../wire/shares.ts'
import { addressText, type Contact } from '../../wire/common.ts'
import type { Runtime } from './runtime.ts'

const DIAL_MS = 3_000

/** What to tell the user. */
export async function probe(runtime: Runtime, contacts: readonly Contact[], waitedMs: number): Promise<ShoalError> {
  const tried = await Promise.all(contacts.map(contact => dial(runtime, contact)))
  const refused = tried.find(one => one.refused !== undefined)?.refused
  if (refused !== undefined) return refused
  const places = contacts.map(({ address }) => addressText(address)).join(', ')
  const waited = `${waitedMs / 1000} s`
  const reached = tried.some(one => one.reached)
  return new ShoalError(
    'unreachable',
    reached
      ? `${places}: TCP answers, UDP gave no answer in ${waited}`
      : `${places}: neither TCP nor UDP gave an answer in ${waited}`,
    {
      hint: reached
        ? 'let the firewall pass UDP on that port too; the daemon goes on trying'
        : 'is that daemon running, and does its firewall pass TCP and UDP on that port? The daemon goes on trying.'
    }
  )
}

async function dial(runtime: Runtime, contact: Contact): Promise<{ reached: boolean; refused?: ShoalError }> {
  try {
    const stream = await runtime.net.openStream(contact, SHARES_PROTOCOL, AbortSignal.timeout(DIAL_MS))
    stream.abort(new Error('only a probe'))
    return { reached: true }
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'not-admitted') return { reached: true, refused: error }
    return { reached: false }
  }
}
