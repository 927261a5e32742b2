/** Schemas and limits that several protocols share: addresses, contacts, signatures, message sizes. */
import { checked, fixed, nodeIdCodec, struct, text, u16, type Decoded } from './codec/codec.ts'

/** The longest DNS name, and longer than any literal address. */
export const HOST_BYTES_MAX = 253
/** A node's name for people. */
export const NAME_BYTES_MAX = 63
export const SIGNATURE_BYTES = 64

export const signature = fixed(SIGNATURE_BYTES)

/** A message for the `datagram` channel never encodes to more than this; header and seal come on top. */
export const DATAGRAM_PAYLOAD_BYTES_MAX = 1_100
/** A message for the `stream` channel never encodes to more than this. */
export const STREAM_MESSAGE_BYTES_MAX = 1 << 20

/**
 * Where a node listens with TCP and UDP. The host is an IP literal; users may also write a DNS name. Port 1 to 65535.
 */
export const address = checked(struct({ host: text(HOST_BYTES_MAX), port: u16 }), value =>
  value.port === 0 || value.host.length === 0 ? 'address without host or port' : undefined
)
export type Address = Decoded<typeof address>

export function addressText(value: Address): string {
  return value.host.includes(':') ? `[${value.host}]:${value.port}` : `${value.host}:${value.port}`
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

/** A node's id and address. The id identifies the node; the address never does. */
export const contact = struct({ id: nodeIdCodec, address })
export type Contact = Decoded<typeof contact>
