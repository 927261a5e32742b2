import { describe, expect, it } from 'vitest'
import { hex, unhex } from '../../../../src/base/bytes.ts'
import { nodeMessage } from '../../../../src/core/node/envelope.ts'
import { ownerOfToken, restoredOf, room, ROOMS } from '../../../../src/core/node/room.ts'
import { Outbox } from '../../../../src/core/outbox.ts'
import type { Machine } from '../../../../src/core/machine.ts'
import { decode, encode } from '../../../../src/wire/codec/codec.ts'
import { DecodeError } from '../../../../src/wire/codec/cursor.ts'

describe('the envelope', () => {
  it('is the byte of the room, then its message, as it always was', () => {
    const message = { kind: 'ring', message: { kind: 'ask', request: 7 } } as const
    const digits = '020007'
    expect(hex(encode(nodeMessage, message))).toBe(digits)
    expect(decode(nodeMessage, unhex(digits)!)).toEqual(message)
  })

  it('of a room that does not exist is refused', () => {
    expect(() => decode(nodeMessage, Uint8Array.of(99, 0))).toThrow(DecodeError)
  })
})

describe('a room', () => {
  it('gets back the tokens that it gave, and keys under its own name', () => {
    const outbox = new Outbox<string, string, string>()
    const machine = { drain: () => outbox.drain() } as unknown as Machine<string, string, string>
    const records = room(
      'records',
      machine,
      message => message,
      command => command
    )
    const tokens = [outbox.persist('a', undefined), outbox.command('work')]
    outbox.emit('news')
    const { effects, events } = records.drain()
    expect(events).toEqual(['news'])
    expect(effects.map(effect => ('key' in effect ? effect.key : effect.kind))).toEqual(['records/a', 'command'])
    const outer = effects.flatMap(effect => ('token' in effect ? [effect.token] : []))
    expect(outer.map(token => ownerOfToken(token))).toEqual(tokens.map(token => ({ name: 'records', token })))
  })

  it('is restored from what it kept, and nothing of its siblings', () => {
    const kept = new Map(ROOMS.map((name, at) => [`${name}/key`, Uint8Array.of(at)]))
    expect([...restoredOf('ring', kept)]).toEqual([['key', Uint8Array.of(1)]])
  })
})
