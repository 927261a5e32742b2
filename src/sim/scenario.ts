/**
 * Scenarios. A scenario runs with many seeds; it defines how the world is built, what happens in it, and what must
 * hold.
 */
import type { Machine } from '../core/machine.ts'
import { SimFailure, type Violation } from './failure.ts'
import type { World } from './world.ts'

export interface ScenarioSpec<M, C, E, N extends Machine<M, C, E>> {
  /** Lower case and hyphens. The replay command uses it. */
  readonly name: string
  /** A description of one line. */
  readonly about: string
  /** The number of seeds relative to a scenario with share 1. Default 1. */
  readonly share?: number
  /** Builds the world with new checkers. Starts nothing. */
  build(seed: number): World<M, C, E, N>
  /**
   * Starts nodes, starts and ends faults, and waits. Uses `world.require` for conditions that must hold at that
   * point.
   */
  play(world: World<M, C, E, N>): void
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly share: number
  run(seed: number): Outcome
}

export interface Outcome {
  readonly scenario: string
  readonly seed: number
  /** Undefined when the run passed. */
  readonly failure: Failure | undefined
  /** The hash of the trace. Equal runs have equal hashes. */
  readonly hash: string
  readonly messages: number
  readonly worldMs: number
}

export interface Failure extends Violation {
  readonly atMs: number
  readonly faults: readonly string[]
  readonly trace: readonly string[]
}

export function scenario<M, C, E, N extends Machine<M, C, E>>(spec: ScenarioSpec<M, C, E, N>): Scenario {
  return {
    name: spec.name,
    about: spec.about,
    share: spec.share ?? 1,
    run: seed => {
      const world = spec.build(seed)
      const failure = play(spec, world)
      const { datagrams, streamMessages } = world.counts
      const messages = datagrams + streamMessages
      return { scenario: spec.name, seed, failure, hash: world.trace.hash, messages, worldMs: world.timeMs }
    }
  }
}

function play<M, C, E, N extends Machine<M, C, E>>(
  spec: ScenarioSpec<M, C, E, N>,
  world: World<M, C, E, N>
): Failure | undefined {
  try {
    spec.play(world)
    world.end()
    return undefined
  } catch (error) {
    const { property, detail } = error instanceof SimFailure ? error : faultOfScenario(error)
    return { property, detail, atMs: world.timeMs, faults: world.faults, trace: world.trace.lines() }
  }
}

function faultOfScenario(error: unknown): Violation {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { property: 'scenario', detail }
}

/** The command that repeats the run. */
export function replayCommand({ scenario: name, seed }: { scenario: string; seed: number }): string {
  return `npm run sim -- --scenario ${name} --seed ${seed}`
}

/** A report for people: the violated property, the time, the faults, the last events, and the replay command. */
export function failureText(outcome: Outcome): string {
  const { failure } = outcome
  if (failure === undefined) return `${outcome.scenario}, seed ${outcome.seed}: passed, trace ${outcome.hash}`
  return [
    `${outcome.scenario}, seed ${outcome.seed}: ${failure.property} violated at ${(failure.atMs / 1_000).toFixed(3)} s`,
    `  ${failure.detail}`,
    'faults:',
    ...(failure.faults.length === 0 ? ['  none'] : failure.faults.map(fault => `  ${fault}`)),
    'last events:',
    ...failure.trace.map(line => `  ${line}`),
    `trace ${outcome.hash}`,
    `replay: ${replayCommand(outcome)}`
  ].join('\n')
}
