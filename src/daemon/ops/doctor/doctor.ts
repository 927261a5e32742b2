/**
 * Looks at everything that keeps a node from working, and says what to do. With a daemon it asks the node; without one it looks
 * at the home and tries the ports.
 */
import type { DoctorResult, DoctorRow } from '../../../wire/control/doctor.ts'
import { resolveConfig } from '../../home/config.ts'
import type { Services } from '../../control/services.ts'
import { diskRows, type Place } from './disk.ts'
import { clockRow, descriptorsRow, homeRow, rowOr, versionsRow } from './home.ts'
import { peersRow, refusedRow, tcpRow, udpRow } from './node.ts'
import { portRow } from './ports.ts'
import { sharesRow } from './shares.ts'

/** `client`: the version of the command that asks. */
export async function examineNode(
  services: Services,
  client: string | undefined,
  signal: AbortSignal
): Promise<DoctorResult> {
  const runtime = services.runtime()
  const home = services.home().dir
  const uptimeMs = performance.now() - services.startedMs
  return {
    rows: [
      {
        check: 'daemon',
        status: 'ok',
        text: `it runs as process ${process.pid}, ${Math.floor(uptimeMs / 1_000)} s long`
      },
      ...(await machineRows(home, client, places(services))),
      await rowOr('shares', () => sharesRow(services)),
      await rowOr('tcp', () => tcpRow(runtime, signal)),
      await rowOr('udp', () => udpRow(runtime, uptimeMs)),
      await rowOr('peers', () => peersRow(runtime)),
      await rowOr('refused', () => refusedRow(runtime))
    ]
  }
}

/** Where no daemon runs. */
export async function examineHome(home: string): Promise<DoctorResult> {
  const machine = await machineRows(home, undefined, [{ folder: home, missingBytes: 0 }])
  const ports = (['tcp', 'udp'] as const).map(lane =>
    rowOr(lane, () => portRow(lane, resolveConfig(home).settings.listen))
  )
  return {
    rows: [
      { check: 'daemon', status: 'warn', text: `none runs on ${home}`, fix: 'shoal daemon --detach' },
      ...machine,
      ...(await Promise.all(ports))
    ]
  }
}

async function machineRows(home: string, client: string | undefined, folders: readonly Place[]): Promise<DoctorRow[]> {
  return [
    await rowOr('versions', () => versionsRow(home, client)),
    await rowOr('home', () => homeRow(home)),
    ...(await diskRows(folders).catch(async (error: unknown) => [
      await rowOr('disk', () => {
        throw error
      })
    ])),
    await rowOr('descriptors', descriptorsRow),
    await rowOr('clock', () => clockRow(home))
  ]
}

function places(services: Services): Place[] {
  const downloads = services.store.holdings().map(({ content, root }) => {
    const { wantedBytes = 0, haveBytes = 0 } = services.downloads.progress(content) ?? {}
    return { folder: root, missingBytes: Math.max(0, wantedBytes - haveBytes) }
  })
  return [{ folder: services.home().dir, missingBytes: 0 }, ...downloads]
}
