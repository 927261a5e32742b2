/** One message of each kind of the records protocol, and its bytes. A change of these bytes breaks running nodes. */
import type { Key, NodeId } from '../../../src/base/ids.ts'
import { recordsMessage, type ProviderRecord, type RecordsMessage } from '../../../src/wire/records.ts'

const node = (digit: string): NodeId => digit.repeat(64) as NodeId
const key = (digit: string): Key => digit.repeat(64) as Key

export const record: ProviderRecord = {
  key: key('1'),
  provider: node('2'),
  sequence: 300,
  ttlMs: 172_800_000,
  held: 'all',
  signature: new Uint8Array(64).fill(0x33)
}
const arc = { from: key('4'), to: key('5') }
const mark = new Uint8Array(8).fill(0x66)

export const codec = recordsMessage
export const messages: { [K in RecordsMessage['kind']]: Extract<RecordsMessage, { kind: K }> } = {
  put: { kind: 'put', request: 1, copies: [{ record, leftMs: 1_000 }] },
  stored: { kind: 'stored', request: 1, outcomes: [{ verdict: 'stale', sequence: 301 }] },
  get: { kind: 'get', request: 2, key: key('1') },
  got: { kind: 'got', request: 2, mine: true, total: 1, records: [record] },
  sync: { kind: 'sync', request: 3, ...arc, digest: new Uint8Array(16).fill(0x77) },
  same: { kind: 'same', request: 3 },
  more: { kind: 'more', request: 4, ...arc, after: { key: key('1'), provider: node('2') } },
  inventory: { kind: 'inventory', request: 4, marks: [mark], last: undefined },
  pull: { kind: 'pull', ...arc, marks: [mark] }
}

export const golden: { [K in RecordsMessage['kind']]: string } = {
  put: '00010111111111111111111111111111111111111111111111111111111111111111112222222222222222222222222222222222222222222222222222222222222222ac0280f0b2520233333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333e807',
  stored: '01010101ad02',
  get: '02021111111111111111111111111111111111111111111111111111111111111111',
  got: '030201010111111111111111111111111111111111111111111111111111111111111111112222222222222222222222222222222222222222222222222222222222222222ac0280f0b2520233333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333',
  sync: '04034444444444444444444444444444444444444444444444444444444444444444555555555555555555555555555555555555555555555555555555555555555577777777777777777777777777777777',
  same: '0503',
  more: '0604444444444444444444444444444444444444444444444444444444444444444455555555555555555555555555555555555555555555555555555555555555550111111111111111111111111111111111111111111111111111111111111111112222222222222222222222222222222222222222222222222222222222222222',
  inventory: '070401666666666666666600',
  pull: '0844444444444444444444444444444444444444444444444444444444444444445555555555555555555555555555555555555555555555555555555555555555016666666666666666'
}
