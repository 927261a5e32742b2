/**
 * Seeded random orders of commands, of what the peer and the disk do, of restarts and of changes of the overlay, with what must
 * hold after each step. `SEED=n` runs one seed, `SEEDS=n` the first n.
 */
import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { Random } from '../../../../src/base/random.ts'
import { expectDefined } from '../../../../src/base/assert.ts'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { Progress } from '../../../../src/core/exchange/contract.ts'
import { follow } from '../../../../src/daemon/downloads/follow.ts'
import { makeContent, randomBytes, type Made } from '../../io/store/contents.ts'
import { World } from './world.ts'

const SEEDS = Number(process.env['SEEDS'] ?? 12)
const STEPS = 40

const made = (name: string): Made =>
  makeContent(name, {
    'big.bin': { bytes: randomBytes(name, 200_000) },
    'small.bin': { bytes: randomBytes(`${name} s`, 9) }
  })
const contents = [made('one'), made('two')]

interface Run {
  readonly world: World
  readonly random: Random
  /** Ends of commands and of followers that are not awaited. */
  readonly pending: Set<Promise<unknown>>
  readonly trace: string[]
  /** Ends the followers: their process ends. */
  hangUp: AbortController
}

type Step = (run: Run, one: Made) => void | Promise<void>

/** A command may be refused, for what is known at the time; anything else is a bug. */
function command({ pending, trace }: Run, what: string, act: Promise<unknown>): void {
  const ended = act.then(
    () => trace.push(`  ${what} ended`),
    (error: unknown) => {
      trace.push(`  ${what}: ${String(error)}`)
      if (!(error instanceof ShoalError)) throw error
    }
  )
  pending.add(ended)
}

const file = (run: Run, one: Made): string => path.join(run.world.place.target, one.manifest.name, 'big.bin')

const steps: Record<string, Step> = {
  get: (run, one) => command(run, 'get', run.world.get(one)),
  'get another selection': (run, one) => command(run, 'get', run.world.get(one, { include: ['small.bin'] })),
  'get --overwrite': (run, one) => command(run, 'get', run.world.get(one, { overwrite: true })),
  'get --no-share': (run, one) => command(run, 'get', run.world.get(one, { serve: false })),
  'get elsewhere': (run, one) =>
    command(run, 'get', run.world.get(one, { folder: path.join(run.world.place.folder, 'other') })),
  pause: (run, one) => command(run, 'pause', run.world.downloads.pause(one.id)),
  rm: (run, one) => command(run, 'rm', run.world.downloads.remove(one.id, { deleteFiles: false })),
  'rm --delete-files': (run, one) => command(run, 'rm', run.world.downloads.remove(one.id, { deleteFiles: true })),
  follow: (run, one) => {
    const { signal } = run.hangUp
    run.pending.add(follow(run.world.downloads, one.id, { signal }).catch(onlyShoalErrors))
  },
  'peer is silent': ({ world }) => void (world.node.peer = 'silent'),
  'peer gives': ({ world }) => world.node.speak(),
  'peer gives a little': ({ world }) => world.node.speak(1),
  'peer lies': ({ world }) => void (world.node.peer = 'lies'),
  'peer withdraws': ({ world }, one) => {
    world.node.peer = 'withdrawn'
    world.node.introduce(one.id)
  },
  'shortages are judged': ({ world }) => world.standStill(60_000),
  'disk is full': ({ world }) => void (world.node.disk = 'disk-full'),
  'disk fails': ({ world }) => void (world.node.disk = 'disk'),
  'disk works': ({ world }) => void (world.node.disk = 'works'),
  'manifest is refused': ({ world }, one) => void world.node.refused.add(one.id),
  'manifest is taken': ({ world }, one) => void world.node.refused.delete(one.id),
  'a file is in the way': (run, one) => {
    fs.mkdirSync(path.dirname(file(run, one)), { recursive: true })
    fs.writeFileSync(file(run, one), 'mine')
  },
  'the file is moved away': (run, one) => fs.rmSync(file(run, one), { force: true }),
  'time passes': ({ world }) => world.node.advance(1_000),
  'much time passes': ({ world }) => world.node.advance(10_000),
  'disk has time': async () => new Promise(resolve => setTimeout(resolve, 5)),
  restart: async run => {
    await settled(run)
    run.hangUp.abort()
    run.hangUp = new AbortController()
    await run.world.restart()
  },
  'another overlay': ({ world }) => world.move()
}

function onlyShoalErrors(error: unknown): Progress | undefined {
  if (error instanceof ShoalError) return undefined
  throw error
}

/** All commands have ended, and the store does nothing. Followers of what goes on are left. */
async function settled({ world, pending }: Run): Promise<void> {
  await world.downloads.idle()
  await world.node.idle()
  await world.downloads.idle()
  await Promise.race([Promise.all(pending), new Promise(resolve => setTimeout(resolve, 1))])
}

/** What must hold when no command is under way. */
function check({ world, trace }: Run): void {
  for (const one of contents) {
    const state = world.downloads.state(one.id)
    const holding = world.place.store.holding(one.id)
    const role = world.node.role(one.id)
    const said = `${one.manifest.name} is ${state?.kind ?? 'not known'}, ${role ?? 'not in the node'}\n${trace.join('\n')}`
    const isServed = holding?.complete === true && holding.serve
    switch (state?.kind) {
      case 'running':
      case 'waiting':
      case 'paused':
        expect(holding, said).toMatchObject({ kind: 'download' })
        expect(role, said).toBe('download')
        expect(world.downloads.progress(one.id)?.state === 'paused', said).toBe(
          state.kind === 'paused' || (state.kind === 'waiting' && state.for === 'room')
        )
        break
      case 'complete':
        expect(holding?.complete, said).toBe(true)
        expect(role !== undefined, said).toBe(holding?.serve)
        break
      case 'failed':
        expect(role, said).toBe(isServed ? 'seed' : undefined)
        expect(world.downloads.failure(one.id)?.problem, said).toBe(state.problem)
        break
      case undefined:
        expect(role, said).toBe(isServed ? 'seed' : undefined)
        if (!isServed) expect(holding === undefined || holding.complete, said).toBe(true)
        break
      case 'adding':
      case 'failing':
      case 'removing':
      case 'removed':
        throw new Error(`a download rests in ${said}`)
    }
    expect(world.place.db.get(`paused/${one.id}`) !== undefined, said).toBe(state?.kind === 'paused')
  }
  expect(world.errors, trace.join('\n')).toEqual([])
}

/** What is on the disk says the same after a restart. */
async function checkRestart(run: Run): Promise<void> {
  const kinds = (): Array<string | undefined> =>
    contents.map(one => {
      const kind = run.world.kind(one)
      if (kind === 'waiting') return 'running'
      return kind === 'complete' ? undefined : kind
    })
  const before = kinds()
  run.hangUp.abort()
  run.world.node.peer = 'silent'
  await run.world.restart()
  expect(kinds(), run.trace.join('\n')).toEqual(before)
}

async function runSeed(seed: number): Promise<void> {
  const run: Run = {
    ...{ world: await World.open(contents), random: Random.from(`interleaving ${seed}`) },
    ...{ pending: new Set(), trace: [`SEED=${seed}`], hangUp: new AbortController() }
  }
  const names = Object.keys(steps)
  for (let at = 0; at < STEPS; at++) {
    const name = expectDefined(run.random.pick(names), 'a step')
    const one = expectDefined(run.random.pick(contents), 'a content')
    run.trace.push(`${name} ${one.manifest.name}`)
    await steps[name]!(run, one)
    if (run.random.chance(0.5)) continue
    await settled(run)
    check(run)
  }
  await settled(run)
  check(run)
  await checkRestart(run)
  for (const one of contents) await run.world.downloads.remove(one.id, { deleteFiles: false })
  await Promise.all(run.pending)
}

const only = process.env['SEED']
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)]

it.each(seeds)('seed %i: every order of commands and events leaves node, catalogue and state in step', seed =>
  runSeed(seed)
)
