import { expect, it } from 'vitest'
import { overlayId, type ContentId } from '../../../../src/base/ids.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import { Exchange } from '../../../../src/core/exchange/exchange.ts'
import { Membership } from '../../../../src/core/membership/membership.ts'
import { Node } from '../../../../src/core/node/node.ts'
import { settingsOf } from '../../../../src/core/node/settings.ts'
import { Records } from '../../../../src/core/records/records.ts'
import { Chord } from '../../../../src/core/ring/chord/chord.ts'
import { Search } from '../../../../src/core/search/search.ts'
import { nodeView } from '../../../../src/daemon/node/view.ts'
import { newIdentity, signer, verifier } from '../../../../src/io/identity.ts'

const content = 'c0'.repeat(32) as ContentId
const now = { mono: instant(5_000), wall: wallMs(0) }

function makeNode(): Node {
  const identity = newIdentity()
  const overlay = overlayId(new Uint8Array(32).fill(1))
  const context = {
    ...{ self: { id: identity.id, address: { host: '127.0.0.1', port: 1 } }, random: Random.from('view') },
    ...{ signer: signer(identity, overlay), verifier: verifier(overlay), restored: new Map<string, Uint8Array>() }
  }
  const settings = settingsOf(
    { preset: 'local', detector: 'swim', routing: 'chord', choking: 'cluster', replicas: 3 } as never,
    {
      uploadsMax: 1
    }
  )
  const node = new Node(context, { name: 'n', settings }, now)
  node.start([], now)
  node.call(one => {
    one.exchange.get(content, now)
  }, now)
  node.drain()
  return node
}

/** Every function that can be reached, by its path. */
function functionsIn(value: unknown, path: string): Array<[string, (...args: unknown[]) => unknown]> {
  if (typeof value === 'function') return [[path, value as (...args: unknown[]) => unknown]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => functionsIn(inner, path === '' ? name : `${path}.${name}`))
}

it('reading everything changes nothing: no effect, no other wake', () => {
  const node = makeNode()
  const view = nodeView(node, () => now)
  const wake = node.nextWake()
  const functions = functionsIn(view, '')
  expect(functions.map(([path]) => path)).toEqual([
    ...['contact', 'membership.members', 'membership.member', 'membership.aliveCount', 'membership.counters'],
    ...['ring.joined', 'ring.tables', 'records.counters', 'exchange.progress'],
    ...['exchange.shortage', 'exchange.contents', 'exchange.banned', 'exchange.counters', 'exchange.heldPieces'],
    ...['search.neighbours', 'search.reach', 'search.counters']
  ])
  for (const [path, read] of functions) read(path.startsWith('exchange') ? content : node.self)
  expect(node.drain()).toEqual([])
  expect(node.nextWake()).toBe(wake)
})

it('leads to no room, and what it returns can be changed without any change to the node', () => {
  const node = makeNode()
  const view = nodeView(node, () => now)
  const rooms = [Node, Membership, Chord, Records, Exchange, Search]
  const walk = (value: unknown, path: string, seen = new Set<unknown>()): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    expect(
      rooms.some(room => value instanceof room),
      path
    ).toBe(false)
    for (const [name, inner] of Object.entries(value)) walk(inner, `${path}.${name}`, seen)
  }
  walk(view, 'view')
  for (const [path, read] of functionsIn(view, '')) {
    const argument = path.startsWith('exchange') ? content : node.self
    const before = JSON.stringify(read(argument))
    const given = read(argument)
    walk(given, path)
    scribble(given)
    expect(JSON.stringify(read(argument)), path).toBe(before)
  }
  expect(() => Object.assign(view, { self: 'other' })).toThrow(TypeError)
})

/** Changes all that can be changed. */
function scribble(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || depth > 4) return
  for (const inner of Object.values(value)) scribble(inner, depth + 1)
  if (Array.isArray(value)) value.push('scribble')
  for (const name of Object.keys(value)) if (!Array.isArray(value)) Reflect.set(value, name, 'scribble')
}
