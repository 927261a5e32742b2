/**
 * Ed25519 keys of nodes and operators. A signature covers the domain, the overlay's id and the claim, so a claim made
 * in one overlay or for one purpose is invalid in another.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { assert, expectDefined } from '../base/assert.ts'
import { LruMap } from '../base/bounded.ts'
import { concat, utf8 } from '../base/bytes.ts'
import { ShoalError } from '../base/errors.ts'
import { ID_BYTES, idBytes, nodeId, type NodeId, type OverlayId } from '../base/ids.ts'
import type { Signer, Verifier } from '../core/machine.ts'
import { SIGNATURE_BYTES } from '../wire/common.ts'

export const SECRET_KEY_BYTES = 32
/** Public keys that are cached as KeyObjects: making one costs half a verification. */
const READY_KEYS_MAX = 4_096

export interface Identity {
  readonly id: NodeId
  /** The seed of the private key (RFC 8032), 32 bytes. The home stores it. */
  readonly secret: Uint8Array
}

const PKCS8_ED25519 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20])
const SPKI_ED25519 = Uint8Array.from([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0])

function privateKey(secret: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concat(PKCS8_ED25519, secret)), format: 'der', type: 'pkcs8' })
}

function publicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(concat(SPKI_ED25519, raw)), format: 'der', type: 'spki' })
}

/** Throws ShoalError 'bad-input' unless `secret` has 32 bytes. */
export function identityFrom(secret: Uint8Array): Identity {
  if (secret.length !== SECRET_KEY_BYTES) {
    throw new ShoalError('bad-input', `the node key has ${secret.length} bytes, not ${SECRET_KEY_BYTES}`, {
      hint: 'restore the key file from a copy, or start with a new home'
    })
  }
  const der = createPublicKey(privateKey(secret)).export({ format: 'der', type: 'spki' })
  return { id: nodeId(der.subarray(SPKI_ED25519.length)), secret: secret.slice() }
}

export function newIdentity(): Identity {
  const { privateKey: key } = generateKeyPairSync('ed25519')
  return identityFrom(key.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_ED25519.length))
}

/**
 * The signed bytes: domain, zero byte, overlay's id, claim. A domain has no zero byte, so the encoding is unambiguous.
 */
function covered(domain: string, overlay: Uint8Array, claim: Uint8Array): Uint8Array {
  assert(!domain.includes('\0'), 'a domain has no zero byte')
  return concat(utf8(domain), Uint8Array.of(0), overlay, claim)
}

export function signer(identity: Identity, overlay: OverlayId): Signer {
  const key = privateKey(identity.secret)
  const overlayBytes = idBytes(overlay)
  return {
    id: identity.id,
    sign: (domain, claim) => new Uint8Array(sign(null, covered(domain, overlayBytes, claim), key))
  }
}

export function verifier(overlay: OverlayId): Verifier {
  const overlayBytes = idBytes(overlay)
  const ready = new LruMap<NodeId, KeyObject>(READY_KEYS_MAX)
  return {
    verify(id, domain, claim, signature) {
      if (signature.length !== SIGNATURE_BYTES) return false
      if (ready.touch(id) === undefined) ready.set(id, publicKey(idBytes(id)))
      return verify(
        null,
        covered(domain, overlayBytes, claim),
        expectDefined(ready.get(id), 'just made ready'),
        signature
      )
    }
  }
}

/** Stands for no overlay: a claim about which content replaces which is valid in every overlay. */
const NO_OVERLAY = '0'.repeat(2 * ID_BYTES) as OverlayId

/** Signs and verifies claims about contents (wire/lineage.ts). */
export function publisherOf(identity: Identity): { signer: Signer; verifier: Verifier } {
  return { signer: signer(identity, NO_OVERLAY), verifier: verifier(NO_OVERLAY) }
}
