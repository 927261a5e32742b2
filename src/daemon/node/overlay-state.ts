/**
 * What the state database keeps of one overlay: its members, this node's place on its ring, the records that it kept, and the
 * boot counters of its members. It belongs to the overlay whose id stands beside it, and is forgotten with it. Shares,
 * downloads and this node's own boot counter stay.
 */
import { EMPTY_BYTES, textOf, utf8 } from '../../base/bytes.ts'
import { ShoalError } from '../../base/errors.ts'
import type { OverlayId } from '../../base/ids.ts'
import type { StateDb } from '../../io/state/db.ts'

/** Of which overlay the state is. */
const OVERLAY_KEY = 'overlay'
const OVERLAY_PREFIXES = ['node/membership/', 'node/ring/', 'node/records/', 'net/boot/']

export type OverlayState = ReadonlyMap<string, Uint8Array>

/** Forgets what is kept of any other overlay than `id`. Throws ShoalError `disk-full`, `permission`. */
export async function keepStateOf(db: StateDb, id: OverlayId): Promise<void> {
  if (textOf(db.get(OVERLAY_KEY) ?? EMPTY_BYTES) === id) return
  // The id comes last: should it not be written, the next start forgets once more.
  await writeAll(
    db,
    [...overlayState(db).keys()].map(key => [key, undefined] as const)
  )
  await writeAll(db, [[OVERLAY_KEY, utf8(id)]])
}

/** A copy of what is kept of the overlay of now. */
export function overlayState(db: StateDb): OverlayState {
  return new Map(OVERLAY_PREFIXES.flatMap(prefix => [...db.scan(prefix)]))
}

/** Brings back what `overlayState` gave when the overlay was `id`. Throws ShoalError `disk-full`, `permission`. */
export async function restoreState(db: StateDb, id: OverlayId, state: OverlayState): Promise<void> {
  const extra = [...overlayState(db).keys()].filter(key => !state.has(key))
  await writeAll(db, [...extra.map(key => [key, undefined] as const), ...state])
  await writeAll(db, [[OVERLAY_KEY, utf8(id)]])
}

async function writeAll(db: StateDb, entries: ReadonlyArray<readonly [string, Uint8Array | undefined]>): Promise<void> {
  const results = await Promise.all(entries.map(([key, value]) => db.put(key, value)))
  const reasons = results.flatMap(result => (result.ok ? [] : [result.reason]))
  if (reasons.length === 0) return
  const isFull = reasons.includes('disk-full')
  throw new ShoalError(isFull ? 'disk-full' : 'permission', 'the state of the overlay cannot be written', {
    hint: isFull ? 'make room on the disk of the home, then try again' : 'is the disk of the home writable?'
  })
}
