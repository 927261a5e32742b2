import { describe, expect, expectTypeOf, it } from 'vitest'
import { fieldsOf } from '../../../../src/wire/control/describe.ts'
import { HOME_METHODS } from '../../../../src/wire/control/home.ts'
import {
  CONTROL_LIST_MAX,
  METHODS,
  isMethod,
  parseParams,
  type ControlMethod,
  type EventOf,
  type Params,
  type TransferRow
} from '../../../../src/wire/control/methods.ts'
import { DURATION_MS_MAX } from '../../../../src/wire/control/schema.ts'

const usage = (method: ControlMethod, body: unknown): { message: string; hint: string | undefined } => {
  try {
    parseParams(method, body)
  } catch (error) {
    expect(error).toMatchObject({ name: 'ShoalError', code: 'usage' })
    return error as { message: string; hint: string | undefined }
  }
  throw new Error(`${method} takes ${JSON.stringify(body)}`)
}

describe('the parameters of a method', () => {
  it('are taken when they fit, each optional one absent or present', () => {
    const bodies: Array<[ControlMethod, object]> = [
      ['hello', {}],
      ['members', {}],
      ['members', { wait: 3, timeoutMs: DURATION_MS_MAX }],
      ['share', { paths: Array.from({ length: CONTROL_LIST_MAX }, () => '/a') }],
      ['get', { what: 'x', dir: '/', include: ['*.jpg'], overwrite: true, share: false, rename: true }],
      ['search', { text: '長', limit: 1, tellMs: 0 }]
    ]
    for (const [method, body] of bodies) expect(parseParams(method, body)).toEqual(body)
  })

  it.each(['x', 'toString', '__proto__', 'constructor'])('refuse %j, and name those that there are', name => {
    const body: unknown = JSON.parse(`{"id":"a",${JSON.stringify(name)}:1}`)
    const { message, hint } = usage('ls', body)
    expect(message).toBe(`ls has no parameter "${name}"`)
    expect(hint).toBe('parameters of ls: id, all')
    expect(usage('hello', JSON.parse(`{${JSON.stringify(name)}:1}`)).hint).toBe('hello takes no parameters')
  })

  it.each<[ControlMethod, object, string]>([
    ['share', {}, 'share needs "paths" as list of text, at most 8192 characters, at most 1000 items'],
    ['share', { paths: '/a' }, 'share needs "paths" as list of'],
    ['share', { paths: ['/a', 7] }, 'share needs "paths" as list of'],
    ['share', { paths: Array.from({ length: 1_001 }, () => '/a') }, 'at most 1000 items'],
    ['share', { paths: ['/'.repeat(8_193)] }, 'at most 8192 characters'],
    ['share', { paths: [], unlisted: 'yes' }, 'share needs "unlisted" as true or false'],
    ['share', { paths: [], unlisted: null }, 'share needs "unlisted" as true or false'],
    ['join', { ticket: 'x'.repeat(65_537) }, 'join needs "ticket" as text, at most 65536 characters'],
    ['members', { wait: 1.5 }, 'members needs "wait" as whole number from 0 to 1000000'],
    ['members', { wait: -1 }, 'members needs "wait"'],
    ['members', { timeoutMs: DURATION_MS_MAX + 1 }, `"timeoutMs" as whole number from 0 to ${DURATION_MS_MAX}`],
    ['search', { text: 'a', limit: 0 }, 'search needs "limit" as whole number from 1 to 1000'],
    ['search', { text: 'a', limit: 1_001 }, 'search needs "limit" as whole number from 1 to 1000'],
    ['search', { text: 'a', timeoutMs: 60_001 }, 'search needs "timeoutMs" as whole number from 1 to 60000'],
    ['ring.lookup', { key: 1 }, 'ring.lookup needs "key" as text']
  ])('%s %j: the refusal names the field and what it takes', (method, body, message) => {
    expect(usage(method, body).message).toContain(message)
  })

  it.each([null, [], 7, 'x', undefined])('refuse %j, which is no object', body => {
    expect(usage('ls', body).message).toBe('ls takes a JSON object')
  })

  it('each have a limit: a text its length, a list its items, a number its range', () => {
    const unlimited = Object.entries({ ...HOME_METHODS, ...METHODS }).flatMap(([name, { params }]) =>
      fieldsOf(params)
        .filter(
          ({ type }) => !/^true or false$|^(text|list of .*), at most \d+ |^whole number from \d+ to \d+$/.test(type)
        )
        .map(field => `${name} ${field.name}: ${field.type}`)
    )
    expect(unlimited).toEqual([])
  })
})

describe('the schema', () => {
  it('documents every field of every method', () => {
    const silent = Object.entries({ ...HOME_METHODS, ...METHODS }).flatMap(
      ([name, { about, params, event, result }]) => {
        expect(about).toMatch(/\.$/)
        const fields = [...fieldsOf(params), ...fieldsOf(event), ...fieldsOf(result)]
        return fields
          .filter(one => one.about === '' && one.name !== 'event' && !/^object/.test(one.type))
          .map(one => `${name}.${one.name}`)
      }
    )
    expect(silent).toEqual([])
  })

  it('knows the methods, and no others', () => {
    expect([isMethod('ring.lookup'), isMethod('toString'), isMethod('config.get')]).toEqual([true, false, false])
  })

  it('gives each method its own types', () => {
    expectTypeOf<Params<'pause'>>().toEqualTypeOf<{ id: string }>()
    expectTypeOf<Params<'members'>>().toEqualTypeOf<{ wait?: number; timeoutMs?: number }>()
    expectTypeOf<EventOf<'hello'>>().toEqualTypeOf<never>()
    expectTypeOf<EventOf<'get'>['event']>().toEqualTypeOf<'waiting' | 'failed-before' | 'progress'>()
    expectTypeOf<Extract<EventOf<'get'>, { event: 'progress' }>>().toExtend<TransferRow>()
  })
})
