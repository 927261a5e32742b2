/** Signing and checking claims. The domain says what is claimed; signer and verifier add the overlay's id. */
import { unreachable } from '../../../base/assert.ts'
import type { NodeId } from '../../../base/ids.ts'
import { encode } from '../../../wire/codec/codec.ts'
import type { Address } from '../../../wire/common.ts'
import {
  accusationBody,
  aliveBody,
  leaveBody,
  type AliveClaim,
  type Claim,
  type DeadClaim,
  type LeaveClaim,
  type SuspectClaim
} from '../../../wire/membership.ts'
import type { Signer, Verifier } from '../../machine.ts'

const DOMAINS = {
  alive: 'shoal/alive/1',
  leave: 'shoal/leave/1',
  suspect: 'shoal/suspect/1',
  dead: 'shoal/dead/1'
} as const satisfies Record<Claim['kind'], string>

type Unsigned<C> = Omit<C, 'signature'>

/** The bytes that the signature covers. */
export function bodyOf(claim: Unsigned<Claim> & { kind: Claim['kind'] }): Uint8Array {
  switch (claim.kind) {
    case 'alive':
      return encode(aliveBody, claim as AliveClaim)
    case 'leave':
      return encode(leaveBody, claim)
    case 'suspect':
    case 'dead':
      return encode(accusationBody, claim as SuspectClaim)
    default:
      return unreachable(claim.kind)
  }
}

/** Whose signature the claim must carry: the subject's own word, or the accuser's. */
export function signerOf(claim: Claim): NodeId {
  return claim.kind === 'suspect' || claim.kind === 'dead' ? claim.accuser : claim.subject
}

/** Signs what this node claims, and checks what others do. A check costs 0.1 ms: only for what would change something. */
export class Notary {
  private readonly signer: Signer
  private readonly verifier: Verifier

  constructor(signer: Signer, verifier: Verifier) {
    this.signer = signer
    this.verifier = verifier
  }

  alive(incarnation: number, name: string, address: Address): AliveClaim {
    return this.signed({ kind: 'alive', subject: this.signer.id, incarnation, name, address })
  }

  leave(incarnation: number): LeaveClaim {
    return this.signed({ kind: 'leave', subject: this.signer.id, incarnation })
  }

  suspect(subject: NodeId, incarnation: number): SuspectClaim {
    return this.signed({ kind: 'suspect', subject, incarnation, accuser: this.signer.id })
  }

  dead(subject: NodeId, incarnation: number): DeadClaim {
    return this.signed({ kind: 'dead', subject, incarnation, accuser: this.signer.id })
  }

  private signed<C extends Unsigned<Claim>>(claim: C): C & { signature: Uint8Array } {
    return { ...claim, signature: this.signer.sign(DOMAINS[claim.kind], bodyOf(claim)) }
  }

  genuine(claim: Claim): boolean {
    return this.verifier.verify(signerOf(claim), DOMAINS[claim.kind], bodyOf(claim), claim.signature)
  }
}
