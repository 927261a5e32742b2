/** The cluster of docker-compose.yml under a name of its own, in a folder of its own: nothing of the clone is written to. */
import net from 'node:net'
import path from 'node:path'
import { ended, ok } from './command.ts'
import { Container } from './container.ts'
import type { Engine } from './engine.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const BUILD_MS = 10 * 60_000
const COMPOSE_MS = 3 * 60_000
/** The engine gives the lowest address that is free: more are free where others were stopped. */
const SQUATTERS_MAX = 8

export class Project {
  readonly name = `shoal-test-${process.pid}`
  readonly image = `shoal-test:${process.pid}`
  /** What every container can read and write, on this machine. */
  readonly share: string
  readonly fetch: string
  readonly port: number
  advertise = ''
  private readonly engine: Engine
  private readonly folder: string
  private readonly known = new Map<string, Container>()
  private readonly volumes = new Set<string>()

  private constructor(engine: Engine, folder: string, port: number) {
    this.engine = engine
    this.folder = folder
    this.port = port
    this.share = path.join(folder, 'docker', 'share')
    this.fetch = path.join(folder, 'docker', 'fetch')
  }

  /** `folder`: an empty one, which stands in for the clone. */
  static async open(engine: Engine, folder: string): Promise<Project> {
    return new Project(engine, folder, await freePort())
  }

  get network(): string {
    return `${this.name}_default`
  }

  build(): Promise<string> {
    return this.compose(['build'], { root: ROOT, timeoutMs: BUILD_MS })
  }

  /** As a user says it, with this many nodes beside the first. */
  up(nodes: number): Promise<string> {
    return this.compose(['up', '-d', '--scale', `node=${nodes}`])
  }

  /** All that run, the first one first. A container stays the same object until it is removed. */
  async containers(): Promise<Container[]> {
    const filter = `label=com.docker.compose.project=${this.name}`
    const names = (await ok(['docker', 'ps', '--filter', filter, '--format', '{{.Names}}'])).split('\n').filter(Boolean)
    for (const [name, container] of this.known) {
      if (names.includes(name)) continue
      container.close()
      this.known.delete(name)
    }
    for (const name of names.filter(one => !this.known.has(one))) {
      const container = new Container(name)
      this.known.set(name, container)
      const mounts = await container.inspect('{{range .Mounts}}{{.Name}} {{end}}')
      for (const volume of mounts.split(' ').filter(Boolean)) this.volumes.add(volume)
    }
    const rank = (name: string): string =>
      name.includes('first') ? '' : name.replace(/\d+$/, one => one.padStart(4, '0'))
    return [...this.known.values()].sort((a, b) => (rank(a.name) < rank(b.name) ? -1 : 1))
  }

  /** Everything of it is gone afterwards, whatever state it was in. */
  async close(): Promise<void> {
    for (const container of this.known.values()) container.close()
    this.known.clear()
    const squatters = Array.from({ length: SQUATTERS_MAX }, (_, index) => this.squatter(index))
    await ended(['docker', 'rm', '--force', '--volumes', ...squatters])
    await this.compose(['down', '--volumes', '--remove-orphans', '--timeout', '2'])
    // Containers that were taken away by scaling down leave their anonymous volumes behind.
    if (this.volumes.size > 0) await ended(['docker', 'volume', 'rm', '--force', ...this.volumes])
    await ended(['docker', 'image', 'rm', this.image])
  }

  /** What of it is still there: ids of containers and networks, names of volumes. */
  async leftovers(): Promise<string> {
    const filter = `label=com.docker.compose.project=${this.name}`
    const lists = [
      ['ps', '-aq'],
      ['volume', 'ls', '-q'],
      ['network', 'ls', '-q']
    ]
    const found = await Promise.all(lists.map(list => ok(['docker', ...list, '--filter', filter])))
    const volumes = (await ok(['docker', 'volume', 'ls', '-q'])).split('\n').filter(name => this.volumes.has(name))
    return [...found, ...volumes].join(' ').trim()
  }

  /** Something else has the address (of a container that is off the network) while `work` is done. */
  async withSquatter(address: string, work: () => Promise<void>): Promise<void> {
    const squatters: string[] = []
    try {
      for (let found = ''; found !== address;) {
        if (squatters.length === SQUATTERS_MAX) throw new Error(`the engine gives ${address} to nobody`)
        const name = this.squatter(squatters.length)
        squatters.push(name)
        const sleeper = ['--entrypoint', 'node', this.image, '-e', 'setInterval(() => {}, 1e6)']
        await ok(['docker', 'run', '-d', '--rm', '--init', '--name', name, '--network', this.network, ...sleeper])
        found = await ok([
          'docker',
          'inspect',
          '--format',
          '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
          name
        ])
      }
      await work()
    } finally {
      await ended(['docker', 'rm', '--force', '--volumes', ...squatters])
    }
  }

  private squatter(index: number): string {
    return `${this.name}-squatter-${index}`
  }

  private compose(
    args: readonly string[],
    { root = this.folder, timeoutMs = COMPOSE_MS }: { root?: string; timeoutMs?: number } = {}
  ): Promise<string> {
    const files = [
      '--project-name',
      this.name,
      '--file',
      path.join(ROOT, 'docker-compose.yml'),
      '--project-directory',
      root
    ]
    const own = { SHOAL_IMAGE: this.image, SHOAL_PORT: String(this.port), SHOAL_ADVERTISE: this.advertise }
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('SHOAL_'))
    const env = { ...Object.fromEntries(inherited), ...own }
    return ok([...this.engine.compose, ...files, ...args], { env, timeoutMs, cwd: root })
  }
}

/** Free for TCP now; that it is taken before it is used, or for UDP, is rare. */
async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>(resolve => server.listen(0, () => resolve()))
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
