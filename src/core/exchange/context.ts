/** What the parts of the exchange share: the effects, and the totals over all downloads. Created by exchange.ts. */
import type { ContentId, NodeId } from '../../base/ids.ts'
import type { Random } from '../../base/random.ts'
import type { Contact } from '../../wire/common.ts'
import type { BanReason, ExchangeMessage } from '../../wire/exchange.ts'
import type { Now, Result } from '../machine.ts'
import type { ExchangeCommand, ExchangeEvent, RequestId } from './contract.ts'
import type { ExchangeSettings } from './settings.ts'

export type Then = (result: Result, now: Now) => void

export interface ExchangeContext {
  readonly self: NodeId
  readonly random: Random
  readonly settings: ExchangeSettings
  /** Bytes that are requested and not yet written, over all downloads. */
  inFlightBytes: number
  send(to: Contact, message: ExchangeMessage): void
  /** Calls `then` with the result, whatever happened in the meantime. */
  command(command: ExchangeCommand, then: Then): void
  persist(key: string, value: Uint8Array | undefined, then: Then): void
  emit(event: ExchangeEvent): void
  /** A request number that was not used with this peer before. */
  nextRequest(peer: NodeId): RequestId
  banned(peer: NodeId, content: ContentId, now: Now): boolean
  /** Bans the peer, notifies it, and drops all requests to it. */
  ban(peer: Contact, content: ContentId, reason: BanReason, now: Now): void
}
