/** scp and rsync over an sshd of our own: a free port of the loopback, keys made for this run, nothing of the system's. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Contender } from '../contender.ts'
import { freePort, installed, type Workshop } from '../workshop.ts'

/** Where Debian's sshd looks for an empty folder when it runs as root. */
const PRIVILEGE_FOLDER = '/run/sshd'
const START_MS = 10_000

interface Server {
  pid: number
  /** What the clients are told. */
  options: string[]
  port: number
}

export function scp(server: () => Promise<Server>): Contender {
  return overSsh('scp', ['scp', 'sshd'], server, (source, into, { options, port }) => [
    ...['scp', '-q', '-r', '-P', String(port), ...options, `127.0.0.1:${source}`, into]
  ])
}

export function rsync(server: () => Promise<Server>): Contender {
  return overSsh('rsync over ssh', ['rsync', 'sshd'], server, (source, into, { options, port }) => {
    const shell = ['ssh', '-p', String(port), ...options].join(' ')
    return ['rsync', '-a', '-e', shell, `127.0.0.1:${source}`, into]
  })
}

function overSsh(
  name: string,
  programs: readonly string[],
  server: () => Promise<Server>,
  fetch: (source: string, into: string, server: Server) => string[]
): Contender {
  const missing = programs.filter(program => installed(program) === undefined)
  return {
    name,
    missing: missing.length === 0 ? undefined : missing.join(', '),
    async offer(source) {
      const started = await server()
      return {
        ...{ giving: [started.pid], taking: [] },
        fetch: into => fetch(source, into, started),
        end: async () => undefined
      }
    }
  }
}

/** One server for all who ask. */
export function sshServer(workshop: Workshop): () => Promise<Server> {
  let server: Promise<Server> | undefined
  return () => (server ??= start(workshop))
}

async function start(workshop: Workshop): Promise<Server> {
  const folder = workshop.folder('ssh')
  const [hostKey, userKey] = [key(folder, 'host'), key(folder, 'user')]
  const port = await freePort()
  const config = path.join(folder, 'sshd_config')
  const authorized = path.join(folder, 'authorized')
  fs.copyFileSync(`${userKey}.pub`, authorized)
  fs.writeFileSync(
    config,
    [
      ...[`ListenAddress 127.0.0.1:${port}`, `HostKey ${hostKey}`, `AuthorizedKeysFile ${authorized}`, 'PidFile none'],
      ...['StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin yes', 'LogLevel ERROR'],
      ...['Subsystem sftp internal-sftp', '']
    ].join('\n')
  )
  makePrivilegeFolder(workshop)
  const sshd = workshop.start([installed('sshd') ?? 'sshd', '-D', '-e', '-f', config])
  const options = [
    ...['-F', 'none', '-i', userKey, '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no'],
    ...['-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR']
  ]
  await answering(['ssh', '-p', String(port), ...options, '127.0.0.1', 'true'], () => sshd.said)
  return { pid: sshd.pid, options, port }
}

function key(folder: string, name: string): string {
  const file = path.join(folder, name)
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file], {
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`)
  return file
}

function makePrivilegeFolder(workshop: Workshop): void {
  if (os.userInfo().uid !== 0 || fs.existsSync(PRIVILEGE_FOLDER)) return
  fs.mkdirSync(PRIVILEGE_FOLDER, { mode: 0o755 })
  workshop.atEnd(() => fs.rmdirSync(PRIVILEGE_FOLDER))
}

async function answering([command = '', ...args]: string[], said: () => string): Promise<void> {
  const deadlineMs = performance.now() + START_MS
  for (;;) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: START_MS })
    if (status === 0) return
    if (performance.now() > deadlineMs) throw new Error(`sshd does not answer: ${stderr}${said()}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
