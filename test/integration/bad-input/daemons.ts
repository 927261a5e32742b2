/** Daemons that a single test starts, in ways that the cluster does not. */
import { start, type Running } from '../cli/shoal.ts'
import type { OtherUser } from '../../fixtures/other-user.ts'

export const ANY_PORT = ['--listen', '127.0.0.1:0']

/** A daemon in the foreground, ready; the test ends it. */
export async function running(
  home: string,
  { listen = '127.0.0.1:0', ...more }: { listen?: string; as?: OtherUser } = {}
): Promise<Running> {
  const env = { SHOAL_GUARDIAN: String(process.pid) }
  const daemon = start({ args: ['--home', home, 'daemon', '--listen', listen], env, ...more })
  await daemon.said(' is ready: ')
  return daemon
}
