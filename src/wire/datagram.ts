/**
 * The frame of a sealed datagram. In front, in clear and bound to the seal: version, overlay, sender, the sender's boot
 * counter and a counter that never repeats within a boot. Behind it the sealed body. io/net/datagram/sessions.ts says what the
 * kinds of body are for.
 *
 * Every datagram is at least DATAGRAM_BYTES_MIN long and the messages of the handshake are exactly that: an answer is
 * never larger than what called for it, so nobody can aim this node at somebody else.
 */
import { equal } from '../base/bytes.ts'
import type { OverlayId } from '../base/ids.ts'
import { idBytes } from '../base/ids.ts'
import {
  bytes,
  checked,
  encode,
  fixed,
  nodeIdCodec,
  struct,
  u32,
  u8,
  union,
  type Codec,
  type Decoded
} from './codec/codec.ts'
import { DecodeError } from './codec/cursor.ts'
import { DATAGRAM_PAYLOAD_BYTES_MAX } from './common.ts'

export const DATAGRAM_VERSION = 1
/** What every path carries unfragmented: IPv6's 1,280 less its header and UDP's, rounded down. */
export const DATAGRAM_BYTES_MAX = 1_200
/** Enough of the overlay's id to tell overlays apart in a log. */
export const OVERLAY_TAG_BYTES = 16
/** The authentication tag of the AEAD. */
export const SEAL_TAG_BYTES = 16
/** What a peer must echo to prove that it is there now. */
export const PROOF_BYTES = 16
/** version 1 + overlay 16 + sender 32 + boot 4 + counter 8. */
export const DATAGRAM_HEADER_BYTES = 61
/** The longest message of the handshake: kind 1 + echo 16 + nonce 16. Shorter bodies are filled up with zeros. */
export const DATAGRAM_BODY_BYTES_MIN = 1 + 2 * PROOF_BYTES
export const DATAGRAM_BYTES_MIN = DATAGRAM_HEADER_BYTES + DATAGRAM_BODY_BYTES_MIN + SEAL_TAG_BYTES

/** 0 to 2^53 - 1 in eight bytes. */
const counter: Codec<number> = {
  write: (w, v) => {
    if (!Number.isSafeInteger(v) || v < 0) throw new RangeError(`no counter: ${v}`)
    w.u32(Math.floor(v / 0x1_0000_0000))
    w.u32(v % 0x1_0000_0000)
  },
  read: r => {
    const value = r.u32() * 0x1_0000_0000 + r.u32()
    if (!Number.isSafeInteger(value)) throw new DecodeError('a counter over 2^53')
    return value
  }
}

export const datagramHeader = checked(
  struct({ version: u8, overlay: fixed(OVERLAY_TAG_BYTES), sender: nodeIdCodec, boot: u32, counter }),
  header => (header.version === DATAGRAM_VERSION ? undefined : `version ${header.version}`)
)
export type DatagramHeader = Decoded<typeof datagramHeader>

const proof = fixed(PROOF_BYTES)

/** The inner message, then zeros up to `minBytes`: neither fewer nor more. */
function filled<T>(inner: Codec<T>, minBytes: number): Codec<T> {
  return {
    write: (w, v) => {
      const raw = encode(inner, v)
      w.raw(raw)
      w.raw(new Uint8Array(Math.max(0, minBytes - raw.length)))
    },
    read: r => {
      const before = r.left
      const value = inner.read(r)
      const filling = r.take(Math.max(0, minBytes - (before - r.left)))
      if (filling.some(byte => byte !== 0)) throw new DecodeError('filling that is not zero')
      return value
    }
  }
}

export const datagramBody = filled(
  union(
    { data: 0, hello: 1, welcome: 2, confirm: 3 },
    {
      /** A message of the protocols above. */
      data: { payload: bytes(DATAGRAM_PAYLOAD_BYTES_MAX) },
      /** Prove that you are there: echo this. */
      hello: { nonce: proof },
      /** I am; are you? */
      welcome: { echo: proof, nonce: proof },
      confirm: { echo: proof }
    }
  ),
  DATAGRAM_BODY_BYTES_MIN
)
export type DatagramBody = Decoded<typeof datagramBody>

export function overlayTag(overlay: OverlayId): Uint8Array {
  return idBytes(overlay).subarray(0, OVERLAY_TAG_BYTES)
}

/** Whether the datagram says that it is of this overlay; unproven until it is opened. */
export function sameOverlay(datagram: Uint8Array, tag: Uint8Array): boolean {
  return equal(datagram.subarray(1, 1 + OVERLAY_TAG_BYTES), tag)
}
