/**
 * Identifiers. A node is identified by its Ed25519 public key. Its libp2p peer ID is the text form for people, and
 * SHA-256 of the peer ID's bytes is its position on the ring. Inside the program all identifiers are strings of
 * lower-case hexadecimal: they serve as map keys, and strings of the same length compare like the numbers they encode.
 */
import { concat, hex, sha256Hex, unhex } from './bytes.ts'
import { base58 } from './base58.ts'
import { expectDefined } from './assert.ts'

/** An Ed25519 public key, 64 hexadecimal digits. */
export type NodeId = string & { readonly brand: 'NodeId' }
/** A position on the ring of 2^256 keys, 64 hexadecimal digits. */
export type Key = string & { readonly brand: 'Key' }
/** A BitTorrent v2 infohash (BEP 52), 64 hexadecimal digits. It is also the content's key on the ring. */
export type ContentId = string & { readonly brand: 'ContentId' }
/** SHA-256(operator public key, salt), 64 hexadecimal digits. */
export type OverlayId = string & { readonly brand: 'OverlayId' }

export const ID_BYTES = 32
const ID_TEXT = /^[0-9a-f]{64}$/

/** Multihash identity (0x00), 36 bytes; protobuf: key type Ed25519 (08 01), data of 32 bytes (12 20). */
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

function id32(bytes: Uint8Array): string {
  if (bytes.length !== ID_BYTES) throw new RangeError(`an id has ${ID_BYTES} bytes, not ${bytes.length}`)
  return hex(bytes)
}

/** These four throw RangeError unless there are exactly 32 bytes. */
export const nodeId = (publicKey: Uint8Array): NodeId => id32(publicKey) as NodeId
export const keyOf = (bytes: Uint8Array): Key => id32(bytes) as Key
export const contentId = (infohash: Uint8Array): ContentId => id32(infohash) as ContentId
export const overlayId = (bytes: Uint8Array): OverlayId => id32(bytes) as OverlayId

/** The 32 bytes of an identifier. */
export function idBytes(id: NodeId | Key | ContentId | OverlayId): Uint8Array {
  return expectDefined(unhex(id), 'an id is hexadecimal')
}

export function isId(text: string): boolean {
  return ID_TEXT.test(text)
}

/** The libp2p peer ID's bytes: 38. */
export function peerIdBytes(id: NodeId): Uint8Array {
  return concat(PEER_ID_PREFIX, idBytes(id))
}

/** The libp2p peer ID's text, `12D3KooW…`. */
export function peerIdText(id: NodeId): string {
  return base58.encode(peerIdBytes(id))
}

/** The node of a peer ID's text, or undefined when it is not the peer ID of an Ed25519 key. */
export function nodeIdFromText(text: string): NodeId | undefined {
  const bytes = base58.decode(text)
  if (bytes?.length !== PEER_ID_PREFIX.length + ID_BYTES) return undefined
  if (PEER_ID_PREFIX.some((byte, i) => bytes[i] !== byte)) return undefined
  return nodeId(bytes.subarray(PEER_ID_PREFIX.length))
}

/** The node's position on the ring: SHA-256 of its peer ID's bytes. */
export function placeOf(id: NodeId): Key {
  return sha256Hex(peerIdBytes(id)) as Key
}

/** The key on the ring under which the content's provider records are stored. */
export function contentKey(content: ContentId): Key {
  return content as string as Key
}
