/** Checks of a ring that read the state of all machines. */
import type { Key } from '../../../src/base/ids.ts'
import { placeOf } from '../../../src/base/ids.ts'
import { between } from '../../../src/base/ring.ts'
import type { Chord } from '../../../src/core/ring/chord/chord.ts'
import type { Ring } from '../../../src/core/ring/ring.ts'
import { successorListLength } from '../../../src/core/ring/settings.ts'
import type { SimNode } from '../../../src/sim/node.ts'

/** A node with access to its ring machine. */
export interface RingNode<R extends Ring = Ring> {
  readonly name: string
  readonly place: Key
  readonly ring: R
}

/** The nodes with a running process, ordered by ring position. */
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
 * Zave's invariant: every member's list has a live member, and at least s + 1 members are principals. A principal is
 * skipped by no member's extended list (the member itself, then its list). `live` are the members of the ring,
 * ordered by position. `s` is the length of the lists, a constant in Zave's paper; here it is the smallest length
 * used so far.
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
      // Adjacent nodes skip no member, so most pairs need no search.
      for (const other of behind(live, before)) {
        if (!between(before, other.place, place)) break
        skipped.add(other.place)
      }
      before = place
    }
  }
  const principals = live.length - skipped.size
  return principals < s + 1 ? `${principals} principals of ${live.length} members, ${s + 1} are required` : undefined
}

/** The nodes in clockwise order, starting after `place`. */
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

/** Why the nodes are not one ring: a wrong predecessor or successor list. `all` are the running nodes, by position. */
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

/** The owner of a key: the first node at or after it. */
export function ownerOf(all: readonly RingNode[], key: Key): RingNode {
  return all.find(node => node.place >= key) ?? all[0]!
}

/** Checks that exactly one node considers itself the owner of each key. */
export function ownershipProblem(all: readonly RingNode[], keys: readonly Key[]): string | undefined {
  for (const key of keys) {
    const owners = all.filter(node => node.ring.owns(key))
    if (owners.length !== 1)
      return `${owners.length} nodes own ${key.slice(0, 8)}: ${owners.map(one => one.name).join(' ')}`
  }
  return undefined
}
