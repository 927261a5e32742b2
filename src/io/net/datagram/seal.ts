/**
 * The seal of a datagram: AES-256-GCM under HKDF-SHA256(overlay key; sender, boot counter), the counter as nonce.
 * Header and recipient are associated data, so only the recipient can open the datagram.
 *
 * Why AES-256-GCM: it seals 1,100 bytes in 3.8 us, ChaCha20-Poly1305 in 5.9 us. Either takes 15 to 20 us when the key
 * is passed as bytes instead of a KeyObject (Node 24).
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { concat, utf8 } from '../../../base/bytes.ts'
import { idBytes, type NodeId } from '../../../base/ids.ts'
import { encode, u32 } from '../../../wire/codec/codec.ts'
import { DATAGRAM_HEADER_BYTES, SEAL_TAG_BYTES } from '../../../wire/datagram.ts'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
/** The counter is the last 8 bytes of the header and of the nonce. */
const COUNTER_BYTES = 8
const LABEL = utf8('shoal/datagram/1')

/** The key of all datagrams that `sender` seals in one boot. */
export function sealKey(overlayKey: Uint8Array, sender: NodeId, boot: number): KeyObject {
  const info = concat(LABEL, idBytes(sender), encode(u32, boot))
  return createSecretKey(Buffer.from(hkdfSync('sha256', overlayKey, new Uint8Array(0), info, KEY_BYTES)))
}

function nonceOf(header: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  nonce.set(header.subarray(DATAGRAM_HEADER_BYTES - COUNTER_BYTES), NONCE_BYTES - COUNTER_BYTES)
  return nonce
}

/** Returns the plain `header`, the encrypted body and the tag. */
export function seal(key: KeyObject, recipient: Uint8Array, header: Uint8Array, body: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, nonceOf(header), { authTagLength: SEAL_TAG_BYTES })
  cipher.setAAD(concat(header, recipient), { plaintextLength: body.length })
  const sealed = cipher.update(body)
  cipher.final()
  return concat(header, sealed, cipher.getAuthTag())
}

/**
 * The body; undefined when a byte was modified, or the datagram was sealed for another recipient or with another key.
 */
export function open(key: KeyObject, recipient: Uint8Array, datagram: Uint8Array): Uint8Array | undefined {
  const end = datagram.length - SEAL_TAG_BYTES
  if (end < DATAGRAM_HEADER_BYTES) return undefined
  const header = datagram.subarray(0, DATAGRAM_HEADER_BYTES)
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(header), { authTagLength: SEAL_TAG_BYTES })
  decipher.setAAD(concat(header, recipient), { plaintextLength: end - DATAGRAM_HEADER_BYTES })
  decipher.setAuthTag(datagram.subarray(end))
  try {
    const body = decipher.update(datagram.subarray(DATAGRAM_HEADER_BYTES, end))
    decipher.final()
    return body
  } catch {
    return undefined
  }
}
