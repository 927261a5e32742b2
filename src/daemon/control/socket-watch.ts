/**
 * Keeps the control socket where clients find it. Cleaners of temporary folders remove sockets, and a runtime folder goes with its
 * user's last session: without its file a daemon runs on that nobody can reach or stop.
 */
import type { Logger } from 'pino'
import { controlSocketPath, nameSocket } from '../home/socket-path.ts'
import type { ControlServer } from './server.ts'

/** One lstat each. Short enough that whoever repeats a command finds the daemon again. */
const LOOK_MS = 5_000

interface Watched {
  /** The folder of the home. */
  home: string
  /** Where `server` listens now. */
  socket: string
  server: ControlServer
  log: Logger
  lookMs?: number
}

export class SocketWatch {
  private readonly timer: NodeJS.Timeout
  private socket: string
  private looking: Promise<void> | undefined
  private problem: string | undefined

  constructor(watched: Watched) {
    this.socket = watched.socket
    this.timer = setInterval(() => {
      this.looking ??= this.look(watched).finally(() => {
        this.looking = undefined
      })
    }, watched.lookMs ?? LOOK_MS)
    this.timer.unref()
  }

  /** Resolves once nothing is being bound. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    await this.looking
  }

  /** Never rejects: it is tried again, and a problem is logged once. */
  private async look({ home, server, log }: Watched): Promise<void> {
    try {
      if (!server.isBound()) {
        const socket = controlSocketPath(home)
        await server.rebind(socket)
        this.socket = socket
        log.warn({ socket }, 'the file of the control socket was removed: bound the socket again')
      }
      nameSocket(home, this.socket)
      this.problem = undefined
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      if (problem !== this.problem) log.error({ problem }, 'cannot restore the control socket')
      this.problem = problem
    }
  }
}
