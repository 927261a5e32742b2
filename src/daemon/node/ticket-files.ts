/**
 * Tickets that pass through files, for nodes that nobody types to: one node keeps a ticket in a file (`invite-file`), and
 * those that are told to (`ticket-file`) wait for it and join.
 *
 * The same file brings members together again that were all restarted at once and have other addresses now: the inviter
 * writes it anew, and who sees nobody else goes on reading it. What changes in it is taken as `shoal join` takes it: an overlay
 * in which another member was met is never given up.
 */
import type { Logger } from 'pino'
import { ShoalError } from '../../base/errors.ts'
import type { Settings } from '../../wire/control/settings.ts'
import { decodeTicket, type Ticket } from '../../wire/ticket.ts'
import { readSmallFile, writeFileAtomic } from '../home/files.ts'
import { every } from '../control/handlers/every.ts'
import { invitation } from './invitation.ts'
import type { Overlay } from '../home/overlay.ts'
import type { Runtime } from './runtime.ts'

/** How long a node without an overlay waits for its ticket: a founder beside it is ready within seconds. */
export const TICKET_WAIT_MS = 60_000
const WAIT_LOOK_MS = 200
/** Between two looks at the files. A look costs two small reads, and a write when the inviter's contacts have changed. */
const LOOK_MS = 5_000

export interface Wait {
  signal: AbortSignal
  timeoutMs?: number
  onWait: () => void
}

/** Undefined when the signal came first. Throws ShoalError: `timeout` when no ticket came, `bad-input` when it is none. */
export async function waitForTicket(file: string, { signal, timeoutMs, onWait }: Wait): Promise<Ticket | undefined> {
  const waitMs = timeoutMs ?? TICKET_WAIT_MS
  const deadline = AbortSignal.timeout(waitMs)
  let told = false
  for await (const _ of every(WAIT_LOOK_MS, AbortSignal.any([signal, deadline]))) {
    const text = readTicketFile(file)
    if (text !== undefined) return ticketOf(file, text)
    if (!told) onWait()
    told = true
  }
  if (signal.aborted) return undefined
  throw new ShoalError('timeout', `no ticket came to ${file} within ${waitMs / 1000} s`, {
    hint: '`shoal invite` on a member prints one, and a member with the setting invite-file keeps one in that file'
  })
}

/** What it needs of the daemon that it works for. */
export interface TicketFilesInit {
  readonly settings: Settings
  readonly log: Logger
  readonly runtime: () => Runtime
  readonly overlay: () => Overlay
  /** Goes over to the ticket's overlay, or takes its contacts and key. */
  readonly adopt: (ticket: Ticket) => Promise<void>
}

export class TicketFiles {
  private readonly init: TicketFilesInit
  /** As it was written last. */
  private kept: string | undefined
  /** As it was read last; no ticket where that was none. */
  private read: { text: string; ticket: Ticket | undefined } | undefined
  /** What went wrong last: it is told once. */
  private trouble = ''
  private readonly stop = new AbortController()
  private looking: Promise<void> = Promise.resolve()

  constructor(init: TicketFilesInit) {
    this.init = init
  }

  /** The invitation is in its file when this returns. Throws ShoalError when it cannot be. */
  open(): void {
    const { settings } = this.init
    this.keepInvitation()
    if (settings['invite-file'] !== undefined || settings['ticket-file'] !== undefined) this.looking = this.look()
  }

  async close(): Promise<void> {
    this.stop.abort()
    await this.looking
  }

  private async look(): Promise<void> {
    for await (const _ of every(LOOK_MS, this.stop.signal)) {
      try {
        this.keepInvitation()
        await this.useTicket()
        this.trouble = ''
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        if (error.message !== this.trouble) this.init.log.warn({ code: error.code }, error.message)
        this.trouble = error.message
      }
    }
  }

  private keepInvitation(): void {
    const file = this.init.settings['invite-file']
    if (file === undefined) return
    const ticket = invitation(this.init.runtime())
    if (ticket === this.kept) return
    writeFileAtomic(file, `${ticket}\n`)
    this.kept = ticket
  }

  private async useTicket(): Promise<void> {
    const file = this.init.settings['ticket-file']
    const text = file === undefined ? undefined : readTicketFile(file)
    if (file === undefined || text === undefined) return
    const isNews = text !== this.read?.text
    if (isNews) this.readNew(file, text)
    const ticket = this.read?.ticket
    if (ticket === undefined) return
    const { id, met } = this.init.overlay()
    const runtime = this.init.runtime()
    if (isNews) {
      if (ticket.overlay === id || !met) await this.init.adopt(ticket)
      else
        this.init.log.warn({ file }, 'its ticket is for another overlay: `shoal leave`, then `shoal join` goes there')
    } else if (ticket.overlay === id && runtime.view.membership.aliveCount() === 1) {
      await runtime.join(ticket.contacts)
    }
  }

  /** Throws ShoalError for what is no ticket, once. */
  private readNew(file: string, text: string): void {
    this.read = { text, ticket: undefined }
    this.read = { text, ticket: ticketOf(file, text) }
  }
}

/** Undefined while there is nothing in it: it is being written, or will be. Throws ShoalError. */
function readTicketFile(file: string): string | undefined {
  const text = readSmallFile(file)?.trim()
  return text === '' ? undefined : text
}

function ticketOf(file: string, text: string): Ticket {
  try {
    return decodeTicket(text)
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    throw new ShoalError(error.code, `${file}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error
    })
  }
}
