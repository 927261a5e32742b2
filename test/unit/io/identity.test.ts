import { describe, expect, it } from 'vitest'
import { hex, unhex, utf8 } from '../../../src/base/bytes.ts'
import { overlayId } from '../../../src/base/ids.ts'
import { identityFrom, newIdentity, signer, verifier } from '../../../src/io/identity.ts'

const overlay = overlayId(new Uint8Array(32).fill(1))
const other = overlayId(new Uint8Array(32).fill(2))
const claim = utf8('a claim')

describe('an identity', () => {
  it('has the public key of RFC 8032, test 1', () => {
    const secret = unhex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')!
    expect(identityFrom(secret).id).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  })

  it('is restored from its secret, and is always a new one otherwise', () => {
    const one = newIdentity()
    expect(identityFrom(one.secret)).toEqual(one)
    expect(newIdentity().id).not.toBe(one.id)
  })

  it('refuses a key that was cut short with a hint', () => {
    expect(() => identityFrom(new Uint8Array(31))).toThrow('31 bytes')
  })
})

describe('a signature', () => {
  const identity = newIdentity()
  const signature = signer(identity, overlay).sign('shoal/alive/1', claim)
  const ours = verifier(overlay)

  it('is accepted for the signed claim, repeatedly', () => {
    for (let i = 0; i < 3; i++) expect(ours.verify(identity.id, 'shoal/alive/1', claim, signature)).toBe(true)
  })

  it('is refused for another claim, domain, overlay or signer, or when it was modified', () => {
    const flipped = signature.slice()
    flipped[0]! ^= 1
    expect(ours.verify(identity.id, 'shoal/alive/1', utf8('b claim'), signature)).toBe(false)
    expect(ours.verify(identity.id, 'shoal/dead/1', claim, signature)).toBe(false)
    expect(verifier(other).verify(identity.id, 'shoal/alive/1', claim, signature)).toBe(false)
    expect(ours.verify(newIdentity().id, 'shoal/alive/1', claim, signature)).toBe(false)
    expect(ours.verify(identity.id, 'shoal/alive/1', claim, flipped)).toBe(false)
    expect(ours.verify(identity.id, 'shoal/alive/1', claim, signature.subarray(1))).toBe(false)
  })

  it('covers these bytes', () => {
    const secret = new Uint8Array(32).fill(7)
    expect(hex(signer(identityFrom(secret), overlay).sign('shoal/alive/1', claim))).toBe(
      '83dc3655d1f2f350f9d72e621258f776713677778caf8aa0ffff7855dcbda43f7022093a5328b88530f24bbf6aedebacd83cfd060362d1f32c2338f9c6426801'
    )
  })

  it('is refused without an exception when the id is no point of the curve', () => {
    const nobody = 'ff'.repeat(32) as typeof identity.id
    expect(ours.verify(nobody, 'shoal/alive/1', claim, signature)).toBe(false)
  })
})
