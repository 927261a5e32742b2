/**
 * Signatures in simulations: a keyed hash in place of Ed25519, whose verification takes 0.1 ms. Only the world knows
 * the key. A machine gets a signer for its own node only, so it cannot forge claims of other nodes.
 */
import { concat, equal, sha256, utf8 } from '../../base/bytes.ts'
import { idBytes, type NodeId, type OverlayId } from '../../base/ids.ts'
import type { Signer, Verifier } from '../../core/machine.ts'

export class Notary implements Verifier {
  private readonly prefix: Uint8Array
  private readonly idBytes = new Map<NodeId, Uint8Array>()

  constructor(secret: Uint8Array, overlay: OverlayId) {
    this.prefix = sha256(concat(utf8('shoal/sim/signature'), secret, idBytes(overlay)))
  }

  private signature(id: NodeId, domain: string, claim: Uint8Array): Uint8Array {
    let raw = this.idBytes.get(id)
    if (raw === undefined) this.idBytes.set(id, (raw = idBytes(id)))
    const tag = utf8(domain)
    const half = sha256(concat(this.prefix, raw, Uint8Array.of(tag.length), tag, claim))
    return concat(half, half)
  }

  signer(id: NodeId): Signer {
    return { id, sign: (domain, claim) => this.signature(id, domain, claim) }
  }

  verify(id: NodeId, domain: string, claim: Uint8Array, signature: Uint8Array): boolean {
    return equal(signature, this.signature(id, domain, claim))
  }
}
