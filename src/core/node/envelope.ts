/**
 * What every message of a node travels in: a byte that names the room, then the room's own message. The same on datagrams
 * and on streams. Room numbers append only.
 */
import { union, type Codec, type Decoded } from '../../wire/codec/codec.ts'
import { exchangeMessage } from '../../wire/exchange.ts'
import { membershipMessage } from '../../wire/membership.ts'
import { recordsMessage } from '../../wire/records.ts'
import { ringMessage } from '../../wire/ring.ts'
import { searchMessage } from '../../wire/gnutella/search.ts'

export const nodeMessage = union(
  { membership: 1, ring: 2, records: 3, exchange: 4, search: 5 },
  {
    membership: { message: membershipMessage },
    ring: { message: ringMessage },
    records: { message: recordsMessage },
    exchange: { message: exchangeMessage },
    search: { message: searchMessage }
  }
)
export type NodeMessage = Decoded<typeof nodeMessage>
export const nodeCodec: Codec<NodeMessage> = nodeMessage
