/** What must hold of a ring, seen from outside. */
import type { Key } from '../../../src/base/ids.ts'
import { placeOf } from '../../../src/base/ids.ts'
import { between } from '../../../src/base/ring.ts'
import type { Chord } from '../../../src/core/ring/chord/chord.ts'
import type { Ring } from '../../../src/core/ring/ring.ts'
import { successorListLength } from '../../../src/core/ring/settings.ts'
import type { SimNode } from '../../../src/sim/node.ts'

/** A node of which the checker sees the ring's machine. */
export interface RingNode<R extends Ring = Ring> {
  readonly name: string
  readonly place: Key
  readonly ring: R
}

/** The nodes whose process runs, by place. */
export function ringNodes<N, R extends Ring>(
  nodes: ReadonlyArray<SimNode<N>>,
  ringOf: (machine: N) => R
): Array<RingNode<R>> {
  return nodes
    .flatMap(node =>
      node.running === undefined ? [] : [{ name: node.name, place: place(node), ring: ringOf(node.running) }]
    )
    .sort((a, b) => (a.place < b.place ? -1 : 1))
}

const places = new WeakMap<object, Key>()
function place<N>(node: SimNode<N>): Key {
  let known = places.get(node)
  if (known === undefined) places.set(node, (known = placeOf(node.id)))
  return known
}

/**
 * Zave's invariant: every member's list has a live member, and at least s + 1 members are principals: not skipped by any
 * member's extended list (the member itself, then its list). `live` are the members of the ring, by place; `s` is the
 * length of lists, which is one constant to Zave: the smallest that was in use while the invariant was watched.
 */
export function invariantProblem(live: ReadonlyArray<RingNode<Chord>>, s: number): string | undefined {
  const alive = new Set(live.map(node => node.place))
  const skipped = new Set<Key>()
  for (const node of live) {
    const list = node.ring.successors
    if (!list.some(one => alive.has(one.place)))
      return `${node.name} has no live successor in its list of ${list.length}`
    let before = node.place
    for (const { place } of list) {
      // Neighbours on the ring skip nobody: most pairs need no search.
      for (const other of behind(live, before)) {
        if (!between(before, other.place, place)) break
        skipped.add(other.place)
      }
      before = place
    }
  }
  const principals = live.length - skipped.size
  return principals < s + 1 ? `${principals} principals of ${live.length} members, ${s + 1} are needed` : undefined
}

/** Clockwise from behind `place`, once around. */
function* behind(live: readonly RingNode[], place: Key): Generator<RingNode> {
  let low = 0
  let high = live.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (live[middle]!.place <= place) low = middle + 1
    else high = middle
  }
  for (let i = 0; i < live.length; i++) yield live[(low + i) % live.length]!
}

/** One ring: everybody's first successor, predecessor and list are right. `all` are the nodes that run, by place. */
export function disorder(all: readonly RingNode[]): string | undefined {
  const s = successorListLength(all.length)
  for (const [i, node] of all.entries()) {
    const view = node.ring.view()
    if (!view.joined) return `${node.name} has not joined`
    const right = Array.from(
      { length: Math.min(s, all.length - 1) },
      (_, j) => all[(i + 1 + j) % all.length]!.ring.view().self.id
    )
    const list = view.successors.map(one => one.id)
    if (list.join() !== right.join())
      return `the list of ${node.name} is wrong from ${list.findIndex((id, j) => id !== right[j])} on`
    const before = all.length === 1 ? undefined : all[(i + all.length - 1) % all.length]
    if (view.predecessors[0]?.id !== before?.ring.view().self.id)
      return `the predecessor of ${node.name} is not ${before?.name}`
  }
  return undefined
}

/** The owner of a key: the first at or behind it. */
export function ownerOf(all: readonly RingNode[], key: Key): RingNode {
  return all.find(node => node.place >= key) ?? all[0]!
}

/** Every key has one owner that says so. */
export function ownershipProblem(all: readonly RingNode[], keys: readonly Key[]): string | undefined {
  for (const key of keys) {
    const owners = all.filter(node => node.ring.owns(key))
    if (owners.length !== 1)
      return `${owners.length} nodes own ${key.slice(0, 8)}: ${owners.map(one => one.name).join(' ')}`
  }
  return undefined
}
