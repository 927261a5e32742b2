/** The service manager of this user, through systemctl. */
import { spawnSync } from 'node:child_process'
import { ShoalError } from '../../base/errors.ts'

/** A start returns when the process runs. */
const SYSTEMCTL_MS = 30_000

/** Whether there is one that answers. */
export function hasUserManager(): boolean {
  // It prints its environment, or that it cannot reach the bus.
  return call(['show-environment']).status === 0
}

/** Throws ShoalError `internal` with what systemctl said. */
export function systemctl(...args: string[]): void {
  const { status, stderr } = call(args)
  if (status === 0) return
  throw new ShoalError('internal', `systemctl --user ${args.join(' ')} failed: ${stderr.trim().split('\n')[0] ?? ''}`, {
    hint: `journalctl --user -u ${args.at(-1) ?? 'shoal'} may say why`
  })
}

function call(args: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync('systemctl', ['--user', ...args], {
    ...{ encoding: 'utf8', timeout: SYSTEMCTL_MS, stdio: ['ignore', 'ignore', 'pipe'] }
  })
  return { status, stderr }
}
