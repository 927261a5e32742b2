/**
 * `npm run test:docker [-- --nodes N --mib N --cut SECONDS]`: the cluster of docker-compose.yml on a real engine. Prints what was
 * claimed with its figures, and on the last line `N passed, N failed`. Where there is no engine, and none may be started, it
 * says what is missing and counts one failure: what was not shown did not pass.
 *
 * All that it makes has a name of its own, and is gone at the end, also after a failure or a signal.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { build, cut, files, outside, scale, stop, together, up, type Stage } from './acts.ts'
import { Claims } from './claims.ts'
import { Cluster } from './cluster.ts'
import { cleanUp, halt } from './command.ts'
import { Missing, openEngine, type Engine } from './engine.ts'
import { Outside } from './outside.ts'
import { Project } from './project.ts'

/** Of all acts together; they take a third of it on two quiet cores. */
const RUN_MS_MAX = 20 * 60_000

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8' },
    mib: { type: 'string', default: '256' },
    cut: { type: 'string', default: '60' }
  }
})

const claims = new Claims()
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-docker-'))
const signal = Promise.withResolvers<never>()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => signal.reject(new Error(`ended by ${name}`)))
}
process.on('uncaughtException', fault => signal.reject(fault))
const late = setTimeout(() => signal.reject(new Error(`not done after ${RUN_MS_MAX / 60_000} minutes`)), RUN_MS_MAX)

let engine: Engine | undefined
let project: Project | undefined
let host: Outside | undefined
try {
  engine = await openEngine(folder)
  console.log(`${engine.versions}, ${os.availableParallelism()} cores, load ${os.loadavg()[0]?.toFixed(1)}`)
  project = await Project.open(engine, folder)
  const stage: Stage = {
    claims,
    cluster: new Cluster(project),
    sizes: {
      ...{ nodes: Number(values.nodes), nodesFewer: 3, cutMs: Number(values.cut) * 1000 },
      ...{ fileBytes: Number(values.mib) << 20, smallBytes: 8 << 20 }
    },
    outside: async () => (host ??= await Outside.open(path.join(folder, 'outside')))
  }
  await Promise.race([play(stage), signal.promise])
} catch (error) {
  claims.fail(error instanceof Missing ? 'this cannot be shown here' : 'the run', error)
}
clearTimeout(late)
claims.close()
halt(new Error('the run is over'))
try {
  await cleanUp(cleaned)
} catch (error) {
  claims.fail('nothing is left behind', error)
}
process.exit(claims.sum())

/** Throws where something of the run is still there. */
async function cleaned(): Promise<void> {
  await host?.close()
  await project?.close()
  const left = await project?.leftovers()
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  await engine?.close()
  if (left !== undefined && left !== '') throw new Error(`still there: ${left}`)
}

/** Without an image or a cluster there is nothing to show further. */
async function play(stage: Stage): Promise<void> {
  for (const act of [build, up, files, stop, cut, together, scale, outside]) await act(stage)
}
