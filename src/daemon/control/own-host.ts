/**
 * Whether an HTTP request was meant for a listener on loopback: a page of another site whose name was made to lead here (DNS
 * rebinding) says that name in `Host`.
 */
import { isLoopback } from '../../wire/control/settings.ts'

const HOST = /^(?:\[(?<bracketed>[0-9a-f:]{1,39})\]|(?<plain>[a-z0-9.]{1,15}))(?::(?<port>[0-9]{1,5}))?$/i

/** A literal loopback address or localhost, and the port that was dialled. */
export function isOwnHost(header: string | undefined, port: number | undefined): boolean {
  const parts = HOST.exec(header ?? '')?.groups
  if (parts === undefined) return false
  const name = (parts['bracketed'] ?? parts['plain'] ?? '').toLowerCase()
  return isLoopback(name) && Number(parts['port'] ?? '80') === port
}
