/** A story that is played with many seeds: how its world is built, what happens in it, what must hold. */
import type { Machine } from '../core/machine.ts'
import { SimFailure, type Violation } from './failure.ts'
import type { World } from './world.ts'

export interface ScenarioSpec<M, C, E, N extends Machine<M, C, E>> {
  /** Lower case and hyphens; the replay command names it. */
  readonly name: string
  /** One line. */
  readonly about: string
  /** How many seeds it gets for each seed of a scenario of 1. Default 1. */
  readonly share?: number
  /** The world with its checkers (made anew for every seed), nothing started. */
  build(seed: number): World<M, C, E, N>
  /** Starts nodes, lets faults loose, calms, waits. `world.require` where something must hold now. */
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
  /** Undefined when all went well. */
  readonly failure: Failure | undefined
  /** Of the trace: equal for equal runs. */
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

/** The one command that plays it again. */
export function replayCommand({ scenario: name, seed }: { scenario: string; seed: number }): string {
  return `npm run sim -- --scenario ${name} --seed ${seed}`
}

/** For people: what broke, when, under which faults, what happened last, and how to see it again. */
export function failureText(outcome: Outcome): string {
  const { failure } = outcome
  if (failure === undefined) return `${outcome.scenario}, seed ${outcome.seed}: passed, trace ${outcome.hash}`
  return [
    `${outcome.scenario}, seed ${outcome.seed}: ${failure.property} violated at ${(failure.atMs / 1_000).toFixed(3)} s`,
    `  ${failure.detail}`,
    'faults:',
    ...(failure.faults.length === 0 ? ['  none'] : failure.faults.map(fault => `  ${fault}`)),
    'what happened last:',
    ...failure.trace.map(line => `  ${line}`),
    `trace ${outcome.hash}`,
    `replay: ${replayCommand(outcome)}`
  ].join('\n')
}
