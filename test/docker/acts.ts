/** What happens to the cluster, in this order. Each act leaves it whole, and checks members, ring and files. */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Claims } from './claims.ts'
import { equalIn, type Cluster, type Content } from './cluster.ts'
import { ok, until } from './command.ts'
import type { Container } from './container.ts'
import { ownBytes } from './engine.ts'
import type { Outside } from './outside.ts'

export interface Sizes {
  nodes: number
  nodesFewer: number
  fileBytes: number
  smallBytes: number
  cutMs: number
}

/** What is promised. */
const UP_MS_MAX = 60_000
const IMAGE_BYTES_MAX = 80e6
const RESIDENT_BYTES_MAX = 140e6
const BACK_MS_MAX = 10_000
/** `stop_grace_period` of docker-compose.yml is 15 s; a daemon promises 10. */
const STOP_MS_MAX = 10_000

/** A cut-off node finds the others, and they find it, once the network is back. */
const HEAL_MS_MAX = 30_000
const DEAD_MS_MAX = 60_000
const IDLE_MS = 10_000
/** Neighbours hear of another's new words within seconds. */
const SEARCH_MS_MAX = 20_000
const KILL_AT = 0.25
const STATUS_LOOK_MS = 200
/** Of every user but root the effective capabilities, and of a container that may gain none. */
const PRIVILEGES = /^Uid:\s+1000\s[^]*^CapEff:\s+0+$[^]*^NoNewPrivs:\s+1$/m

type Act = (stage: Stage) => Promise<void>

export interface Stage {
  claims: Claims
  cluster: Cluster
  sizes: Sizes
  outside: () => Promise<Outside>
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
const s = (seconds: number): string => `${seconds.toFixed(1)} s`

export const build: Act = async ({ claims, cluster: { project } }) => {
  await claims.claim('the image is built, and at most 80 MB of it are ours', async () => {
    await project.build()
    const bytes = await ownBytes(project.image)
    if (bytes > IMAGE_BYTES_MAX) throw new Error(`${bytes} bytes`)
    return `${(bytes / 1e6).toFixed(1)} MB`
  })
}

export const up: Act = async ({ claims, cluster, sizes }) => {
  await claims.claim(
    `from \`up\` to ${sizes.nodes} nodes and the first, healthy and seen everywhere, under 60 s`,
    async () => {
      const sinceMs = performance.now()
      await cluster.project.up(sizes.nodes)
      await cluster.refresh()
      const seen = await cluster.whole(cluster.containers, UP_MS_MAX, sinceMs)
      const healthy = await cluster.healthy(UP_MS_MAX, sinceMs)
      if (cluster.containers.length !== sizes.nodes + 1) throw new Error(`${cluster.containers.length} containers run`)
      return `all seen after ${s(seen)}, all healthy after ${s(healthy)}`
    }
  )
  await claims.claim('nobody is root, no capability is left, nothing but volumes can be written', async () => {
    for (const one of [cluster.first, cluster.node(1)]) {
      const status = await one.exec(['sh', '-c', 'cat /proc/self/status'])
      if (!PRIVILEGES.test(status)) throw new Error(status)
      const written = await one.exec([
        'sh',
        '-c',
        'for f in /opt/shoal / /etc; do touch $f/x 2>/dev/null && echo $f; done; true'
      ])
      if (written !== '') throw new Error(`written to ${written}`)
      await one.exec(['touch', '/share/.written', '/fetch/.written', './.written'])
    }
    return undefined
  })
  await claims.claim('an idle daemon has under 140 MB resident', async () => {
    await sleep(IDLE_MS)
    const bytes = await Promise.all(cluster.containers.map(one => one.residentBytes()))
    const most = Math.max(...bytes)
    if (!(most < RESIDENT_BYTES_MAX)) throw new Error(bytes.map(mib).join(', '))
    return `${mib(Math.min(...bytes))} to ${mib(most)}`
  })
}

/** Three hold all of it; two of them are killed while all others fetch. */
export const files: Act = async ({ claims, cluster, sizes }) => {
  const [a, b, c] = [cluster.node(1), cluster.node(2), cluster.node(3)]
  const others = cluster.containers.filter(one => ![a, b, c, cluster.first].includes(one))
  let content: Content | undefined
  await claims.claim(`${mib(sizes.fileBytes)} shared in one container are fetched in two others`, async () => {
    const big = await cluster.share('big.bin', sizes.fileBytes, a)
    content = big
    const beganMs = performance.now()
    await Promise.all([b.shoal(['get', big.id]), c.shoal(['get', big.name, '-o', '/fetch'])])
    const seconds = (performance.now() - beganMs) / 1000
    await equalIn(b, big)
    // What one fetched there lies in the folder of this machine.
    await equalIn(cluster.first, big, '/fetch')
    if (fs.statSync(path.join(cluster.project.fetch, big.name)).size !== sizes.fileBytes)
      throw new Error('another size')
    return s(seconds)
  })
  const big = content
  if (big === undefined) return
  await claims.claim(
    'a search in another container finds its three holders, and it is fetched by its number',
    async () => {
      let answer: Record<string, unknown> = {}
      const hasAll = async (): Promise<boolean> => {
        answer = await cluster.first.shoal(['search', path.parse(big.name).name]).catch(() => ({}))
        return answer['answered'] === 3
      }
      await until('the three are found', hasAll, SEARCH_MS_MAX)
      await cluster.first.shoal(['get', '1'])
      await equalIn(cluster.first, big)
      return `all asked within ${String(Math.round(Number(answer['elapsedMs'])))} ms`
    }
  )
  await claims.claim('all others fetch it while two of its three holders are killed', async () => {
    const beganMs = performance.now()
    const fetching = Promise.all(others.map(one => one.shoal(['get', big.id])))
    const watched = others[0] ?? cluster.first
    const killing = (async () => {
      await until('a quarter of it is fetched', async () => (await share(watched, big)) >= KILL_AT, DEAD_MS_MAX)
      await Promise.all([a.docker('kill'), b.docker('kill')])
      return (performance.now() - beganMs) / 1000
    })()
    const [killed] = await Promise.all([killing, fetching])
    const seconds = (performance.now() - beganMs) / 1000
    for (const one of others) await equalIn(one, big)
    return `${others.length} containers, ${s(seconds)}, killed after ${s(killed)}`
  })
  await claims.claim('the killed ones are declared dead by all that are left', async () => {
    await cluster.seen(a, 'dead', DEAD_MS_MAX)
    await cluster.seen(b, 'dead', DEAD_MS_MAX)
    await cluster.whole(cluster.containers.filter(one => one !== a && one !== b))
    return undefined
  })
  await claims.claim(
    'started again in the other order they have swapped addresses, and are alive everywhere within 10 s',
    async () => {
      const ids = [a.id, b.id]
      const found = [a, b].map(one => ({ one, was: c.row(one.id)?.address ?? '' }))
      // The engine gives the lowest address that is free.
      const [low, high] = found.toSorted((x, y) => lastOctet(x.was) - lastOctet(y.was))
      if (low === undefined || high === undefined) throw new Error('two were killed')
      const back = [await startedAgain(cluster, high.one, high.was), await startedAgain(cluster, low.one, low.was)]
      if (a.id !== ids[0] || b.id !== ids[1]) throw new Error('they are other nodes now')
      if (high.one.address !== low.was || low.one.address !== high.was) throw new Error('they did not swap')
      return back.map(s).join(' and ')
    }
  )
  await claims.claim('members, ring and files are whole', async () => {
    await whole(cluster)
    await equalIn(b, big)
    return undefined
  })
}

export const stop: Act = async ({ claims, cluster }) => {
  const one = cluster.node(4)
  let was: string | undefined
  await claims.claim(
    '`docker stop` leaves within its grace, and is seen as left by all, never as a failure',
    async () => {
      was = one.address
      const marks = cluster.containers.map(({ history }) => history.length)
      const beganMs = performance.now()
      await one.docker('stop')
      const stopped = performance.now() - beganMs
      const status = await one.inspect('{{.State.ExitCode}}')
      if (status !== '0' || stopped > STOP_MS_MAX) throw new Error(`status ${status} after ${s(stopped / 1000)}`)
      const seen = await cluster.seen(one, 'left', BACK_MS_MAX, beganMs)
      const accusers = cluster.containers.filter(({ history }, index) =>
        history.slice(marks[index]).some(({ id, state }) => id === one.id && (state === 'dead' || state === 'suspect'))
      )
      if (accusers.length > 0) throw new Error(`taken for a failure by ${accusers.map(({ name }) => name).join(', ')}`)
      return `stopped after ${s(stopped / 1000)}, left everywhere after ${s(seen)}`
    }
  )
  await claims.claim(
    'started again with another address it is alive everywhere within 10 s, the same node',
    async () => {
      const { id } = one
      let seconds = 0
      await cluster.project.withSquatter(hostOf(was), async () => {
        seconds = await startedAgain(cluster, one, was)
      })
      if (one.id !== id) throw new Error('it is another node now')
      await whole(cluster)
      return s(seconds)
    }
  )
}

export const cut: Act = async ({ claims, cluster, sizes }) => {
  const one = cluster.node(3)
  const { network } = cluster.project
  const rest = cluster.containers.filter(other => other !== one)
  const was = one.address
  await claims.claim(
    `one is cut off its network for ${sizes.cutMs / 1000} s: the others go on without it`,
    async () => {
      const beganMs = performance.now()
      await ok(['docker', 'network', 'disconnect', network, one.name])
      const dead = await cluster.seen(one, 'dead', DEAD_MS_MAX, beganMs)
      await cluster.whole(rest)
      await cluster.share('meanwhile.bin', sizes.smallBytes, cluster.node(1))
      await sleep(Math.max(0, sizes.cutMs - (performance.now() - beganMs)))
      return `dead everywhere after ${s(dead)}`
    }
  )
  await claims.claim('back with another address all see all again, it fetches what it missed', async () => {
    let seconds = 0
    await cluster.project.withSquatter(hostOf(was), async () => {
      const beganMs = performance.now()
      await ok(['docker', 'network', 'connect', network, one.name])
      seconds = await cluster.whole(cluster.containers, HEAL_MS_MAX, beganMs)
    })
    if (one.address === was) throw new Error(`it has the address ${was} again, so this shows nothing`)
    const missed = cluster.contents.find(({ name }) => name === 'meanwhile.bin')
    if (missed === undefined) throw new Error('nothing was shared meanwhile')
    await one.shoal(['get', missed.id])
    await equalIn(one, missed)
    await whole(cluster)
    return `${s(seconds)}, from ${was} to ${one.address}`
  })
}

/** As after the machine itself fell: nobody is where the others knew it, but for the ticket that the first one writes anew. */
export const together: Act = async ({ claims, cluster }) => {
  await claims.claim(
    'all are killed and started in the other order, at addresses of one another: all see all again',
    async () => {
      const all = cluster.containers.map(one => ({ one, id: one.id, was: one.address }))
      const names = all.map(({ one }) => one.name)
      await ok(['docker', 'kill', ...names])
      await until(
        'none shows what it saw before',
        () => all.every(({ one }) => one.view.members === undefined),
        BACK_MS_MAX
      )
      const beganMs = performance.now()
      await ok(['docker', 'start', ...names.toReversed()])
      const seconds = await cluster.whole(cluster.containers, DEAD_MS_MAX, beganMs)
      const moved = all.filter(({ one, was }) => one.address !== was).length
      if (all.some(({ one, id }) => one.id !== id)) throw new Error('some are other nodes now')
      await whole(cluster)
      return `${s(seconds)}, ${moved} of ${all.length} at another address`
    }
  )
}

export const scale: Act = async ({ claims, cluster, sizes }) => {
  await claims.claim(
    `scaled down to ${sizes.nodesFewer}: all others are seen as left, what is shared is still there`,
    async () => {
      const before = cluster.containers
      await cluster.project.up(sizes.nodesFewer)
      await cluster.refresh()
      if (cluster.containers.length !== sizes.nodesFewer + 1) throw new Error(`${cluster.containers.length} run`)
      const gone = before.filter(one => !cluster.containers.includes(one))
      for (const one of gone) await cluster.seen(one, 'left', BACK_MS_MAX)
      return s(await whole(cluster))
    }
  )
  await claims.claim(`scaled up to ${sizes.nodes} again: new nodes, all see all, and each can fetch`, async () => {
    const before = cluster.containers
    const beganMs = performance.now()
    await cluster.project.up(sizes.nodes)
    await cluster.refresh()
    const seconds = await cluster.whole(cluster.containers, UP_MS_MAX, beganMs)
    const small = await cluster.share('small.bin', sizes.smallBytes, before[1] ?? cluster.first)
    const count = await cluster.fetchEverywhere(small, before[1] ?? cluster.first)
    await whole(cluster)
    return `${s(seconds)}; ${mib(sizes.smallBytes)} fetched by ${count}`
  })
}

export const outside: Act = async ({ claims, cluster, sizes, outside: open }) => {
  await claims.claim('told what hosts outside must dial, the first one is the same node at that address', async () => {
    const { id } = cluster.first
    const host = await open()
    cluster.project.advertise = `${host.gateway}:${cluster.project.port}`
    await cluster.project.up(sizes.nodes)
    await cluster.refresh()
    const seconds = await cluster.whole()
    if (cluster.first.id !== id) throw new Error('it is another node now')
    if (cluster.first.address !== cluster.project.advertise) throw new Error(`it is at ${cluster.first.address}`)
    return s(seconds)
  })
  await claims.claim('a host outside joins through the published port, and fetches', async () => {
    const host = await open()
    const { ticket } = await cluster.first.shoal(['invite'])
    await host.shoal(['join', String(ticket)])
    const beganMs = performance.now()
    host.start()
    const { id } = await host.ready()
    const joined = await until(
      'all containers see it alive',
      () => cluster.containers.every(one => one.row(id)?.state === 'alive'),
      UP_MS_MAX,
      beganMs
    )
    const big = cluster.contents[0]
    if (big === undefined) throw new Error('nothing was shared')
    const fetchedMs = performance.now()
    await host.shoal(['get', big.id, '-o', host.home])
    const seconds = (performance.now() - fetchedMs) / 1000
    const sum = await ok(['sha256sum', path.join(host.home, big.name)])
    if (!sum.startsWith(big.hash)) throw new Error('other bytes')
    return `seen by all after ${s(joined)}, ${mib(big.bytes)} in ${s(seconds)}`
  })
  await claims.claim(
    'it is told apart from one that fails: seen alive throughout, and as left at its end',
    async () => {
      const host = await open()
      const { id } = await host.ready()
      const marks = cluster.containers.map(({ history }) => history.length)
      await sleep(IDLE_MS)
      const accused = cluster.containers.filter(({ history }, index) =>
        history.slice(marks[index]).some(one => one.id === id)
      )
      const { members } = (await host.shoal(['members'])) as { members: Array<{ name: string; state: string }> }
      await host.stop()
      const all = (): boolean => cluster.containers.every(one => one.row(id)?.state === 'left')
      const seconds = await until('all containers see it left', all, BACK_MS_MAX)
      const doubted = members.filter(({ state }) => state === 'suspect' || state === 'dead')
      if (accused.length > 0) throw new Error(`doubted by ${accused.map(({ name }) => name).join(', ')}`)
      if (doubted.length > 0) throw new Error(`it doubts ${doubted.map(one => `${one.name} ${one.state}`).join(', ')}`)
      return `left everywhere after ${s(seconds)}`
    }
  )
}

/** Seconds from `docker start` until it is alive at another address in all views. */
async function startedAgain(cluster: Cluster, one: Container, was: string | undefined): Promise<number> {
  const others = cluster.containers.filter(other => other !== one && other.view.members !== undefined)
  const sinceMs = performance.now()
  await one.docker('start')
  const seconds = await until(
    `${one.name} is alive everywhere at another address than ${was}`,
    () => {
      const rows = others.map(other => other.row(one.id))
      const not = rows.filter(row => row?.state !== 'alive' || row.address === was)
      return not.length === 0 || not.map(row => `${row?.state} at ${row?.address}`).join(', ')
    },
    BACK_MS_MAX,
    sinceMs
  )
  return seconds
}

/** All see all, in one ring, and whatever was shared has holders. Seconds until so. */
async function whole(cluster: Cluster): Promise<number> {
  const beganMs = performance.now()
  await cluster.whole(cluster.containers, DEAD_MS_MAX, beganMs)
  for (const one of [cluster.first, cluster.node(1)]) {
    await until(
      `${one.name} finds all that is shared`,
      async () => {
        const { shares } = (await one.shoal(['ls', '--all'])) as { shares: Array<{ id: string; holders: unknown[] }> }
        const lost = cluster.contents.filter(({ id }) => !shares.some(row => row.id === id && row.holders.length > 0))
        return lost.length === 0 || lost.map(({ name }) => name).join(', ')
      },
      DEAD_MS_MAX
    )
  }
  return (performance.now() - beganMs) / 1000
}

/** How much of a download is there, 0 to 1. */
async function share(one: Container, { id }: Content): Promise<number> {
  const { transfers } = (await one.shoal(['status'])) as {
    transfers: Array<{ id: string; bytes: number; haveBytes: number }>
  }
  await sleep(STATUS_LOOK_MS)
  const row = transfers.find(transfer => transfer.id === id)
  return row === undefined || row.bytes === 0 ? 0 : row.haveBytes / row.bytes
}

function hostOf(address: string | undefined): string {
  return address?.replace(/:\d+$/, '') ?? ''
}

function lastOctet(address: string): number {
  return Number(/\.(\d+):/.exec(address)?.[1])
}
