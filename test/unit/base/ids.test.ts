import { expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { base58 } from '../../../src/base/base58.ts'
import { unhex } from '../../../src/base/bytes.ts'
import {
  idBytes,
  nodeId,
  nodeIdFromText,
  peerIdBytes,
  peerIdText,
  placeOf,
  type NodeId
} from '../../../src/base/ids.ts'
import { keys } from '@libp2p/crypto'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'

test('the text of a node id is the peer ID that libp2p computes for its key', async () => {
  const pair = await keys.generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(7))
  const id = nodeId(pair.publicKey.raw)
  const theirs = peerIdFromPrivateKey(pair)
  expect(peerIdText(id)).toBe(theirs.toString())
  expect(nodeIdFromText(theirs.toString())).toBe(id)
  expect(placeOf(id)).toBe(createHash('sha256').update(peerIdBytes(id)).digest('hex'))
})

test('nodeIdFromText refuses everything but peer IDs of Ed25519 keys', () => {
  for (const text of ['', '12D3', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG', '0OIl', '1'.repeat(5000)]) {
    expect(nodeIdFromText(text)).toBeUndefined()
  }
})

test('an id has 32 bytes', () => {
  expect(() => nodeId(new Uint8Array(31))).toThrow(RangeError)
  expect(idBytes('ab'.repeat(32) as NodeId)).toHaveLength(32)
})

test('base 58 keeps leading zeros', () => {
  const bytes = Uint8Array.of(0, 0, 1, 255)
  expect(base58.decode(base58.encode(bytes))).toEqual(bytes)
  expect(base58.encode(Uint8Array.of(0, 0))).toBe('11')
})

test('unhex refuses an odd number of digits, and upper case', () => {
  expect(unhex('0g')).toBeUndefined()
  expect(unhex('abc')).toBeUndefined()
  expect(unhex('AB')).toBeUndefined()
  expect(unhex('')).toEqual(new Uint8Array(0))
})
