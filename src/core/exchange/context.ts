/** What the parts of the exchange share: the way out, and what is counted over all downloads. Made by exchange.ts. */
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
  /** Bytes requested or not yet written. */
  inFlightBytes: number
  send(to: Contact, message: ExchangeMessage): void
  /** `then` is called with the end of it, however late. */
  command(command: ExchangeCommand, then: Then): void
  persist(key: string, value: Uint8Array | undefined, then: Then): void
  emit(event: ExchangeEvent): void
  /** Never used before towards this peer. */
  nextRequest(peer: NodeId): RequestId
  banned(peer: NodeId, content: ContentId, now: Now): boolean
  /** Bans the peer, tells it, and ends all that is asked of it. */
  ban(peer: Contact, content: ContentId, reason: BanReason, now: Now): void
}
