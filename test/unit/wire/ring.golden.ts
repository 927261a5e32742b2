/** One message of each kind of the ring protocol, and its bytes. A change of these bytes breaks running nodes. */
import type { Key, NodeId } from '../../../src/base/ids.ts'
import { ringMessage, type RingMessage } from '../../../src/wire/ring.ts'

const node = (digit: string): NodeId => digit.repeat(64) as NodeId
const key = (digit: string): Key => digit.repeat(64) as Key

export const codec = ringMessage
export const messages: { [K in RingMessage['kind']]: Extract<RingMessage, { kind: K }> } = {
  ask: { kind: 'ask', request: 1 },
  state: { kind: 'state', request: 300, predecessor: node('1'), successors: [node('2'), node('3')] },
  unjoined: { kind: 'unjoined', request: 2 },
  busy: { kind: 'busy', request: 3 },
  ping: { kind: 'ping', request: 4 },
  pong: { kind: 'pong', request: 4, joined: true },
  notify: { kind: 'notify' },
  lookup: {
    kind: 'lookup',
    request: 5,
    origin: node('a'),
    serial: 6,
    key: key('b'),
    beyond: true,
    path: [node('a'), node('c')]
  },
  took: { kind: 'took', request: 5 },
  refused: { kind: 'refused', request: 5, reason: 'no-predecessor' },
  found: {
    kind: 'found',
    serial: 6,
    key: key('b'),
    from: key('0'),
    replicas: [node('d')],
    path: [node('a'), node('d')]
  },
  stuck: { kind: 'stuck', serial: 6, key: key('b'), reason: 'too-long' }
}

export const golden: { [K in RingMessage['kind']]: string } = {
  ask: '0001',
  state:
    '01ac020111111111111111111111111111111111111111111111111111111111111111110222222222222222222222222222222222222222222222222222222222222222223333333333333333333333333333333333333333333333333333333333333333',
  unjoined: '0202',
  busy: '0303',
  ping: '0404',
  pong: '050401',
  notify: '06',
  lookup:
    '0705aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa06bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0102aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaacccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',
  took: '0805',
  refused: '090502',
  found:
    '0a06bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb000000000000000000000000000000000000000000000000000000000000000001dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaadddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',
  stuck: '0b06bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb05'
}
