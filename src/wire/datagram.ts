/**
 * The frame of a sealed datagram: a header, then the sealed body. The header is not encrypted but authenticated by the
 * seal. It holds the version, the overlay, the sender, the sender's boot counter and a counter that never repeats
 * within a boot. io/net/datagram/sessions.ts explains the kinds of body.
 *
 * Every datagram has at least DATAGRAM_BYTES_MIN bytes, and messages of the handshake have exactly that many. An answer
 * is therefore never larger than its request, and an attacker cannot use a node to amplify traffic against a third
 * party.
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
/** Fits the smallest IPv6 MTU, 1,280 bytes, less the headers of IPv6 and UDP, rounded down: no path fragments it. */
export const DATAGRAM_BYTES_MAX = 1_200
/** The first bytes of the overlay's id, enough to distinguish overlays. */
export const OVERLAY_TAG_BYTES = 16
/** The authentication tag of the AEAD. */
export const SEAL_TAG_BYTES = 16
/** A nonce that a peer must echo to prove that it receives datagrams at its address now. */
export const PROOF_BYTES = 16
/** version 1 + overlay 16 + sender 32 + boot 4 + counter 8. */
export const DATAGRAM_HEADER_BYTES = 61
/** The longest message of the handshake: kind 1 + echo 16 + nonce 16. Shorter bodies are padded with zeros. */
export const DATAGRAM_BODY_BYTES_MIN = 1 + 2 * PROOF_BYTES
export const DATAGRAM_BYTES_MIN = DATAGRAM_HEADER_BYTES + DATAGRAM_BODY_BYTES_MIN + SEAL_TAG_BYTES

/** 0 to 2^53 - 1 in eight bytes. */
const counter: Codec<number> = {
  write: (w, v) => {
    if (!Number.isSafeInteger(v) || v < 0) throw new RangeError(`invalid counter: ${v}`)
    w.u32(Math.floor(v / 0x1_0000_0000))
    w.u32(v % 0x1_0000_0000)
  },
  read: r => {
    const value = r.u32() * 0x1_0000_0000 + r.u32()
    if (!Number.isSafeInteger(value)) throw new DecodeError('counter over 2^53 - 1')
    return value
  }
}

export const datagramHeader = checked(
  struct({ version: u8, overlay: fixed(OVERLAY_TAG_BYTES), sender: nodeIdCodec, boot: u32, counter }),
  header => (header.version === DATAGRAM_VERSION ? undefined : `unknown datagram version ${header.version}`)
)
export type DatagramHeader = Decoded<typeof datagramHeader>

const proof = fixed(PROOF_BYTES)

/** The inner message, padded with zeros to exactly `minBytes` when it is shorter. */
function padded<T>(inner: Codec<T>, minBytes: number): Codec<T> {
  return {
    write: (w, v) => {
      const raw = encode(inner, v)
      w.raw(raw)
      w.raw(new Uint8Array(Math.max(0, minBytes - raw.length)))
    },
    read: r => {
      const before = r.left
      const value = inner.read(r)
      const padding = r.take(Math.max(0, minBytes - (before - r.left)))
      if (padding.some(byte => byte !== 0)) throw new DecodeError('padding that is not zero')
      return value
    }
  }
}

export const datagramBody = padded(
  union(
    { data: 0, hello: 1, welcome: 2, confirm: 3 },
    {
      /** A message of the protocols on top. */
      data: { payload: bytes(DATAGRAM_PAYLOAD_BYTES_MAX) },
      /** Challenges the addressee: it must echo `nonce`. */
      hello: { nonce: proof },
      /** Answers `hello` and challenges its sender in turn. */
      welcome: { echo: proof, nonce: proof },
      /** Answers `welcome`; completes the handshake. */
      confirm: { echo: proof }
    }
  ),
  DATAGRAM_BODY_BYTES_MIN
)
export type DatagramBody = Decoded<typeof datagramBody>

export function overlayTag(overlay: OverlayId): Uint8Array {
  return idBytes(overlay).subarray(0, OVERLAY_TAG_BYTES)
}

/** Whether the header names this overlay. This is proven only once the datagram is opened. */
export function sameOverlay(datagram: Uint8Array, tag: Uint8Array): boolean {
  return equal(datagram.subarray(1, 1 + OVERLAY_TAG_BYTES), tag)
}
