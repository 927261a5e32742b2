/**
 * The admission: a peer must prove the overlay key over TCP, inside the noise session, before a muxer starts.
 *
 *     initiator                                 responder
 *     version, overlay, nonce I, port, proof 1  ------->      sends nothing until proof 1 is verified
 *                                               <-------      nonce R, proof 2
 *     proof 3                                   ------->
 *
 * A proof is HMAC-SHA256(overlay key; label, number, both ids, port, nonce I, nonce R); proof 1 uses zeros for nonce R.
 * Noise has proven both ids and made the session fresh; the proofs bind the overlay key to it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ConnectionEncrypter, MessageStream, SecureConnectionOptions, SecuredConnection } from '@libp2p/interface'
import { expectDefined } from '../../base/assert.ts'
import { concat, equal, utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import { idBytes, nodeIdFromText, type NodeId, type OverlayId } from '../../base/ids.ts'
import { decode, encode, fixed, struct, u16, u8, type Decoded } from '../../wire/codec/codec.ts'
import { OVERLAY_TAG_BYTES, overlayTag } from '../../wire/datagram.ts'
import { secretBytes } from '../entropy.ts'
import { ByteReader } from './stream/byte-reader.ts'
import { ChunkReader } from './stream/chunk-reader.ts'
import { writeAll } from './stream/write.ts'
import type { RefusalReason } from './refusals.ts'

/** Deadline from the first byte of a connection to its admission. */
export const ADMISSION_MS = 5_000
export const ADMISSION_VERSION = 1
const NONCE_BYTES = 32
const PROOF_BYTES = 32
const LABEL = utf8('shoal/admission/1')
const NO_NONCE = new Uint8Array(NONCE_BYTES)

/** The first message, after one byte of version. */
export const admissionFirst = struct({
  overlay: fixed(OVERLAY_TAG_BYTES),
  nonce: fixed(NONCE_BYTES),
  port: u16,
  proof: fixed(PROOF_BYTES)
})
const FIRST_BYTES = OVERLAY_TAG_BYTES + NONCE_BYTES + 2 + PROOF_BYTES
export const admissionSecond = struct({ nonce: fixed(NONCE_BYTES), proof: fixed(PROOF_BYTES) })
const SECOND_BYTES = NONCE_BYTES + PROOF_BYTES

export interface AdmissionInit {
  readonly self: NodeId
  readonly overlay: OverlayId
  /** The first key proves; all keys are accepted. 32 bytes each. */
  readonly overlayKeys: readonly Uint8Array[]
  /** The port at which others can dial this node. */
  readonly port: () => number
  /** A peer proved the overlay key. `port` is where it says it can be dialled; undefined when this node dialled it. */
  readonly onAdmitted: (connection: MessageStream, peer: NodeId, port: number | undefined) => void
  readonly onRefused: (connection: MessageStream, peer: NodeId | undefined, reason: RefusalReason) => void
}

export interface Transcript {
  readonly initiator: NodeId
  readonly responder: NodeId
  readonly port: number
  readonly nonceI: Uint8Array
  readonly nonceR: Uint8Array
}

/** One proof of the admission, 32 bytes. */
export function proof(key: Uint8Array, number: 1 | 2 | 3, it: Transcript): Uint8Array {
  return createHmac('sha256', key)
    .update(LABEL)
    .update(encode(u8, number))
    .update(idBytes(it.initiator))
    .update(idBytes(it.responder))
    .update(encode(u16, it.port))
    .update(it.nonceI)
    .update(it.nonceR)
    .digest()
}

/** The end of the error message of a refusal; openError in host.ts looks for it. */
export function refusalText(reason: RefusalReason): string {
  return `was not admitted: ${reason}`
}

class Refused extends Error {
  override readonly name = 'Refused'
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** Wraps an encrypter (noise) under the same protocol name. */
export class Admission implements ConnectionEncrypter {
  readonly protocol: string
  private readonly inner: ConnectionEncrypter
  private readonly init: AdmissionInit

  constructor(inner: ConnectionEncrypter, init: AdmissionInit) {
    this.protocol = inner.protocol
    this.inner = inner
    this.init = init
  }

  async secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    const secured = await this.inner.secureOutbound(connection, options)
    return this.admit(connection, secured, options?.signal, (reader, peer, signal) =>
      this.initiate(secured.connection, reader, peer, signal)
    )
  }

  async secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    const secured = await this.inner.secureInbound(connection, options)
    return this.admit(connection, secured, options?.signal, (reader, peer, signal) =>
      this.respond(secured.connection, reader, peer, signal)
    )
  }

  private async admit(
    raw: MessageStream,
    secured: SecuredConnection,
    outer: AbortSignal | undefined,
    exchange: (reader: ByteReader, peer: NodeId, signal: AbortSignal) => Promise<number | undefined>
  ): Promise<SecuredConnection> {
    const deadline = AbortSignal.timeout(ADMISSION_MS)
    const signal = outer === undefined ? deadline : AbortSignal.any([outer, deadline])
    const peer = nodeIdFromText(secured.remotePeer.toString())
    const chunks = new ChunkReader(secured.connection)
    const reader = new ByteReader(chunks.chunks(signal))
    try {
      if (peer === undefined) throw new Refused('malformed', 'the peer has no Ed25519 key')
      const port = await exchange(reader, peer, signal)
      chunks.release(reader.unread())
      this.init.onAdmitted(raw, peer, port)
      return secured
    } catch (error) {
      const why = error instanceof Refused ? error.reason : signal.aborted ? 'timeout' : 'not-admitted'
      this.init.onRefused(raw, peer, why)
      const refusal = new ShoalError('not-admitted', `${secured.remotePeer.toString()} ${refusalText(why)}`, {
        cause: error
      })
      secured.connection.abort(refusal)
      throw refusal
    }
  }

  private async initiate(
    stream: MessageStream,
    reader: ByteReader,
    peer: NodeId,
    signal: AbortSignal
  ): Promise<undefined> {
    const key = expectDefined(this.init.overlayKeys[0], 'the overlay has a key')
    const nonce = secretBytes(NONCE_BYTES)
    const { self, overlay } = this.init
    const port = this.init.port()
    const first: Transcript = { initiator: self, responder: peer, port, nonceI: nonce, nonceR: NO_NONCE }
    const hello = { overlay: overlayTag(overlay), nonce, port, proof: proof(key, 1, first) }
    await writeAll(stream, concat(encode(u8, ADMISSION_VERSION), encode(admissionFirst, hello)), signal)

    const answer = decode(admissionSecond, await reader.read(SECOND_BYTES))
    const whole = { ...first, nonceR: answer.nonce }
    if (!timingSafeEqual(answer.proof, proof(key, 2, whole))) throw new Refused('not-admitted', 'proof 2 is wrong')
    await writeAll(stream, proof(key, 3, whole), signal)
  }

  /** Returns the port that the initiator says it can be dialled at. */
  private async respond(stream: MessageStream, reader: ByteReader, peer: NodeId, signal: AbortSignal): Promise<number> {
    const version = decode(u8, await reader.read(1))
    if (version !== ADMISSION_VERSION) throw new Refused('malformed', `unsupported admission version ${version}`)
    const hello = decode(admissionFirst, await reader.read(FIRST_BYTES))
    if (!equal(hello.overlay, overlayTag(this.init.overlay))) throw new Refused('wrong-overlay', 'another overlay')
    const first = {
      initiator: peer,
      responder: this.init.self,
      port: hello.port,
      nonceI: hello.nonce,
      nonceR: NO_NONCE
    }
    const key = this.keyOf(hello, first)
    if (key === undefined) throw new Refused('not-admitted', 'proof 1 is wrong')

    const whole = { ...first, nonceR: secretBytes(NONCE_BYTES) }
    await writeAll(stream, encode(admissionSecond, { nonce: whole.nonceR, proof: proof(key, 2, whole) }), signal)
    const last = await reader.read(PROOF_BYTES)
    if (!timingSafeEqual(last, proof(key, 3, whole))) throw new Refused('not-admitted', 'proof 3 is wrong')
    return hello.port
  }

  private keyOf(hello: Decoded<typeof admissionFirst>, first: Transcript): Uint8Array | undefined {
    return this.init.overlayKeys.find(key => timingSafeEqual(hello.proof, proof(key, 1, first)))
  }
}
