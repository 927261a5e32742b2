/** The container engine of this machine: found, or started where that is allowed; and what is missing, said plainly. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ended, ok, until, works } from './command.ts'

const BASE_IMAGE = 'node:24-bookworm-slim'
const ENGINE_START_MS = 60_000
const ENGINE_END_MS = 30_000
const PULL_MS = 5 * 60_000

/** What is missing is no fault of Shoal, and no pass of its tests either. */
export class Missing extends Error {}

export interface Engine {
  /** `docker compose` or docker-compose. */
  readonly compose: readonly string[]
  /** For people. */
  readonly versions: string
  /** Ends the engine if it was started here. */
  close(): Promise<void>
}

/** Throws Missing. `folder`: for the log of an engine that is started. */
export async function openEngine(folder: string): Promise<Engine> {
  const started = (await works(['docker', 'info'])) ? undefined : await startEngine(folder)
  try {
    const compose = await composeCommand()
    await baseImage()
    const engineVersion = await ok(['docker', 'version', '--format', '{{.Server.Version}}'])
    const composeVersion = await ok([...compose, 'version', '--short'])
    return {
      compose,
      versions: `engine ${engineVersion}, ${compose.join(' ')} ${composeVersion}`,
      close: () => endEngine(started)
    }
  } catch (error) {
    await endEngine(started)
    throw error
  }
}

async function startEngine(folder: string): Promise<ChildProcess> {
  if (!(await works(['docker', '--version']))) throw new Missing('there is no command `docker`: install Docker')
  const { stderr } = await ended(['docker', 'info'])
  const silent = `no container engine answers (${stderr.trim().split('\n').at(-1)})`
  if (process.getuid?.() !== 0)
    throw new Missing(`${silent}, and only root may start one: start it, or let this user use it`)
  if (!(await works(['dockerd', '--version'])))
    throw new Missing(`${silent}, and there is no dockerd to start: install it`)
  const log = path.join(folder, 'dockerd.log')
  const handle = fs.openSync(log, 'w')
  const engine = spawn('dockerd', [], { detached: true, stdio: ['ignore', handle, handle] })
  engine.on('error', () => undefined)
  fs.closeSync(handle)
  try {
    await until('the engine answers', () => engine.exitCode !== null || works(['docker', 'info']), ENGINE_START_MS)
    if (engine.exitCode !== null) throw new Error('it ended')
    return engine
  } catch {
    await endEngine(engine)
    const words = fs.readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
    throw new Missing(`dockerd does not run here; its last words:\n${words}`)
  }
}

async function endEngine(engine: ChildProcess | undefined): Promise<void> {
  if (engine === undefined || engine.exitCode !== null) return
  engine.kill('SIGTERM')
  await until('the engine has ended', () => engine.exitCode !== null || engine.signalCode !== null, ENGINE_END_MS)
}

async function composeCommand(): Promise<readonly string[]> {
  for (const compose of [['docker', 'compose'], ['docker-compose']]) {
    if (await works([...compose, 'version'])) return compose
  }
  throw new Missing('there is neither `docker compose` nor docker-compose: install one of them')
}

async function baseImage(): Promise<void> {
  if (await works(['docker', 'image', 'inspect', BASE_IMAGE])) return
  const { code, stderr } = await ended(['docker', 'pull', '--quiet', BASE_IMAGE], { timeoutMs: PULL_MS })
  if (code !== 0) throw new Missing(`the image ${BASE_IMAGE} is not here and cannot be fetched: ${stderr.trim()}`)
}

/** Bytes that an image has beyond the one that it is made from. */
export async function ownBytes(image: string): Promise<number> {
  const size = async (name: string): Promise<number> =>
    Number(await ok(['docker', 'image', 'inspect', '--format', '{{.Size}}', name]))
  return (await size(image)) - (await size(BASE_IMAGE))
}
