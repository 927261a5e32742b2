/**
 * Goes to another overlay, or takes the newer contacts and key of the present one. Each change is a turn of the daemon's life
 * (life.ts); this file says what its steps are.
 *
 * The order of a move makes every crash harmless. First the home names the next overlay: from then on a start goes there. Then
 * the others are told (only `leave` has anybody to tell), the session is closed, what the database keeps of the previous
 * overlay is forgotten, and the next session opens on the same port. When a step fails, the home and the database are put back
 * and the previous overlay is opened again, on the same port or, when that is taken by now, on any.
 */
import type { Logger } from 'pino'
import type { Address, Contact } from '../../wire/common.ts'
import type { Ticket } from '../../wire/ticket.ts'
import type { Life, Move } from '../life.ts'
import type { LivingHome } from './session.ts'

/** What a change needs of a session (session.ts). */
export interface MovableSession {
  home: LivingHome
  readonly listening: Address
  sayGoodbye(signal: AbortSignal): Promise<void>
  lookFor(contacts: readonly Contact[]): Promise<void>
  close(): Promise<void>
}

/** The home's file that names the overlay. Each writes it before it returns, or throws ShoalError. */
export interface OverlayKeeper {
  /** Throws `conflict` for another overlay when members of this one were met, `bad-input` for settings that are not supported. */
  join(home: LivingHome, ticket: Ticket): LivingHome
  /** A new overlay of one in place of the present one. */
  found(home: LivingHome): LivingHome
  /** The overlay of `home` again. */
  keep(home: LivingHome): void
}

/** What the database keeps of an overlay (overlay-state.ts). */
export interface StateKeeper {
  /** A copy of what is kept of the home's overlay; the returned function writes it back. */
  copy(home: LivingHome): () => Promise<void>
  /** Forgets what is of another overlay than the home's. Throws ShoalError. */
  replace(home: LivingHome): Promise<void>
}

export interface OverlayChangesParts<S extends MovableSession> {
  readonly life: Life<S>
  readonly keeper: OverlayKeeper
  readonly state: StateKeeper
  readonly open: (home: LivingHome, listen: Address, signal: AbortSignal) => Promise<S>
  /** What works beside the session and must rest while it is closed. */
  readonly beforeClose?: () => Promise<void>
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

export class OverlayChanges<S extends MovableSession> {
  private readonly parts: OverlayChangesParts<S>

  constructor(parts: OverlayChangesParts<S>) {
    this.parts = parts
  }

  /** Throws ShoalError: as OverlayKeeper.join; `busy`, `interrupted` of the life; what kept the next overlay from opening. */
  async adopt(ticket: Ticket): Promise<void> {
    const { life, keeper } = this.parts
    await life.change(async ({ session, move }) => {
      const before = session.home
      if (ticket.overlay === before.overlay.id) {
        session.home = keeper.join(before, ticket)
        await session.lookFor(ticket.contacts)
        return
      }
      await move(this.moveFrom(session, () => keeper.join(before, ticket), { goodbye: false }))
    })
  }

  /** Says goodbye, forgets the overlay and founds one of its own. Throws ShoalError. */
  async leave(): Promise<void> {
    const { life, keeper } = this.parts
    await life.change(async ({ session, move }) => {
      await move(this.moveFrom(session, () => keeper.found(session.home), { goodbye: true }))
    })
  }

  private moveFrom(session: S, keepNext: () => LivingHome, { goodbye }: { goodbye: boolean }): Move<S> {
    const { state, open, beforeClose, log } = this.parts
    const before = session.home
    // The members know the port: it stays, also when the system chose it.
    const { listening } = session
    let next = before
    let restore = async (): Promise<void> => undefined
    const goBack = async (listen: Address, signal: AbortSignal): Promise<S> => {
      await this.putBack(before, restore)
      return open(before, listen, signal)
    }
    return {
      prepare: async (from, signal) => {
        next = keepNext()
        if (goodbye) await from.sayGoodbye(signal)
      },
      close: async from => {
        await beforeClose?.()
        await from.close()
      },
      open: async signal => {
        restore = state.copy(before)
        await state.replace(next)
        const opened = await open(next, listening, signal)
        log.info({ overlay: next.overlay.id, was: before.overlay.id }, 'the node is in another overlay')
        return opened
      },
      back: [
        { open: signal => goBack(listening, signal), note: '' },
        { open: signal => goBack({ ...listening, port: 0 }, signal), note: ', on another port' }
      ]
    }
  }

  /** The session opens whether or not this can be written: the log says what a restart would do otherwise. */
  private async putBack(before: LivingHome, restore: () => Promise<void>): Promise<void> {
    const { keeper, log } = this.parts
    try {
      keeper.keep(before)
      await restore()
    } catch (err) {
      log.error(
        { err, overlay: before.overlay.id },
        'cannot write the previous overlay back: a restart may go elsewhere'
      )
    }
  }
}
