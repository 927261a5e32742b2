/** Worlds of toy machines, for the tests in this folder. */
import { expectDefined } from '../../../src/base/assert.ts'
import { SimFailure } from '../../../src/sim/failure.ts'
import { Group } from '../../../src/sim/group.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import { World, type WorldSettings } from '../../../src/sim/world.ts'
import { Toy, toyMessage, type ToyCommand, type ToyEvent, type ToyMessage } from '../../simulation/toy.ts'

export type ToyWorld = World<ToyMessage, ToyCommand, ToyEvent, Toy>
export type ToySettings = Partial<WorldSettings<ToyMessage, ToyCommand, ToyEvent, Toy>>

/** A network on which every packet has the same delay. */
export function even(latencyMs: number): NonNullable<ToySettings['network']> {
  return { latencyMinMs: latencyMs, latencyMaxMs: latencyMs, asymmetry: 0, jitter: 0 }
}

export function toyWorld(settings: ToySettings = {}): ToyWorld {
  return new World({ seed: 1, create: birth => new Toy(birth), codec: toyMessage, ...settings })
}

export function two(settings: ToySettings = {}): { world: ToyWorld; a: SimNode<Toy>; b: SimNode<Toy> } {
  const world = toyWorld(settings)
  const [a, b] = world.startMany(2)
  return { world, a: expectDefined(a, 'a'), b: expectDefined(b, 'b') }
}

/** Two nodes with a link that is up. */
export function linked(settings: ToySettings = {}): ReturnType<typeof two> {
  const all = two(settings)
  all.world.call(all.a, toy => {
    toy.stream(all.b.contact, 0)
  })
  all.world.runUntil(() => numbers(all.b).length === 1, 10_000)
  return all
}

/** Nodes that ping each other every 10 ms. */
export function pinging(count: number, settings: ToySettings = {}): ToyWorld {
  const world = toyWorld(settings)
  const nodes = world.startMany(count)
  for (const node of nodes) {
    const peers = nodes.filter(other => other !== node).map(({ contact }) => contact)
    world.call(node, (toy, now) => {
      toy.pingEvery(10, peers, now)
    })
  }
  return world
}

export function toyGroup(count: number): Group<ToyMessage, ToyCommand, ToyEvent, Toy> {
  return new Group({ create: birth => new Toy(birth), codec: toyMessage, count })
}

/** The numbers that a node received over streams. */
export function numbers({ machine }: SimNode<Toy>): number[] {
  return machine.diary.flatMap(entry => (entry.kind === 'number' ? [entry.value] : []))
}

/** The states of links that a node was notified of. */
export function links({ machine }: SimNode<Toy>): string[] {
  return machine.diary.flatMap(entry => (entry.kind === 'link' ? [entry.state] : []))
}

/** The property that `act` violates. */
export function violated(act: () => void): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (error instanceof SimFailure) return error.property
    throw error
  }
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
