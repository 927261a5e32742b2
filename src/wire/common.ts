/** What several protocols share: addresses, contacts, the sizes of crypto. */
import { checked, fixed, nodeIdCodec, struct, text, u16, type Decoded } from './codec/codec.ts'

/** The longest DNS name, and longer than any literal address. */
export const HOST_BYTES_MAX = 253
/** A friendly name. */
export const NAME_BYTES_MAX = 63
export const SIGNATURE_BYTES = 64

export const signature = fixed(SIGNATURE_BYTES)

/** What a datagram carries beside its seal; a message for the `datagram` channel never encodes to more. */
export const DATAGRAM_PAYLOAD_BYTES_MAX = 1_100
/** A message on the `stream` channel. */
export const STREAM_MESSAGE_BYTES_MAX = 1 << 20

/** Where a node listens with TCP and UDP. The host is an IP literal, or a DNS name in what people write. Port 1 to 65535. */
export const address = checked(struct({ host: text(HOST_BYTES_MAX), port: u16 }), value =>
  value.port === 0 || value.host.length === 0 ? 'an address without host or port' : undefined
)
export type Address = Decoded<typeof address>

export function addressText(value: Address): string {
  return value.host.includes(':') ? `[${value.host}]:${value.port}` : `${value.host}:${value.port}`
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

/** Whom to send to, and where. The id says who it is; the address is never an identity. */
export const contact = struct({ id: nodeIdCodec, address })
export type Contact = Decoded<typeof contact>
