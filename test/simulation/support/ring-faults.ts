/** Faults for worlds with an oracle in place of membership: the oracle must report each fault. */
import type { Machine } from '../../../src/core/machine.ts'
import { begin } from '../../../src/sim/faults.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import type { World } from '../../../src/sim/world.ts'
import type { Listener, Oracle } from './oracle.ts'

/** The longest time until a crashed node restarts, if it does. */
export const RESTART_MAX_MS = 15_000
/** The time until a fault is detected, reported and repaired by stabilisation. */
const SPLIT_SETTLED_MS = 16_000

export interface FaultHooks<N> {
  /** Called for both sides before a split heals that lasted long enough for each side to form its own ring. */
  splitSettled(side: ReadonlyArray<SimNode<N>>): void
}

/** Runs one fault to its end. The next fault may begin before its effects are repaired. */
export function oneFault<M, C, E, N extends Machine<M, C, E> & Listener>(
  world: World<M, C, E, N>,
  oracle: Oracle<M, C, E, N>,
  hooks: FaultHooks<N>
): void {
  const { random } = world
  const up = world.nodes.filter(node => node.process === 'running')
  const node = random.pick(up)
  if (node === undefined) return
  const lastsMs = random.range(500, 14_000)
  switch (random.below(7)) {
    case 0: {
      const share = random.range(0.05, 0.3)
      world.fault(`loss of ${share.toFixed(2)}`)
      const ending = begin(world, { kind: 'loss', share })
      world.at(world.timeMs + 2 * lastsMs, () => ending?.end())
      break
    }
    case 1:
      splitFor(world, oracle, hooks, random.range(2_000, 20_000))
      return
    case 2:
      world.fault(`pause of ${node.name}`)
      world.pause(node)
      world.run(lastsMs)
      world.resume(node)
      return
    case 3:
      oracle.accuse(node)
      break
    case 4:
      for (const victim of random.sample(up, Math.floor(up.length / 3))) {
        world.fault(`crash of ${victim.name}`)
        oracle.crash(victim)
        if (random.chance(0.7))
          world.at(world.timeMs + random.range(100, RESTART_MAX_MS), () =>
            oracle.start(victim, { move: random.chance(0.3) })
          )
      }
      break
    case 5:
      for (let i = random.below(4); i >= 0; i--) oracle.start(world.add())
      break
    default:
      world.fault('all restart')
      for (const victim of up) {
        oracle.crash(victim)
        world.at(world.timeMs + random.range(100, 3_000), () => oracle.start(victim))
      }
  }
  world.run(lastsMs)
}

/** Splits the nodes in two groups. When it lasts long enough for verdicts, each side forms its own ring. */
function splitFor<M, C, E, N extends Machine<M, C, E> & Listener>(
  world: World<M, C, E, N>,
  oracle: Oracle<M, C, E, N>,
  hooks: FaultHooks<N>,
  lastsMs: number
): void {
  const nodes = world.random.shuffle(world.nodes.slice())
  const at = 1 + world.random.below(Math.max(1, nodes.length - 1))
  const sides = [nodes.slice(0, at), nodes.slice(at)] as const
  world.fault(`split: ${sides.map(side => side.map(node => node.name).join(' ')).join(' | ')}`)
  const cut = oracle.split(sides[0], sides[1])
  world.run(lastsMs)
  if (lastsMs > SPLIT_SETTLED_MS) for (const side of sides) hooks.splitSettled(side)
  cut.end()
}
