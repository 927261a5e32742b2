/** Daemons that a single test starts, in ways that the cluster does not. */
import { start, type Running } from '../cli/shoal.ts'

export const ANY_PORT = ['--listen', '127.0.0.1:0']

/** Whom the system calls nobody: a user without rights. Only root can run things as another one. */
export const NOBODY = 65_534
export const isRoot = process.getuid?.() === 0

/** A daemon in the foreground, ready; the test ends it. */
export async function running(
  home: string,
  { listen = '127.0.0.1:0', ...as }: { listen?: string; uid?: number } = {}
): Promise<Running> {
  const env = { SHOAL_GUARDIAN: String(process.pid) }
  const daemon = start({ args: ['--home', home, 'daemon', '--listen', listen], env, ...as })
  await daemon.said(' is ready: ')
  return daemon
}
