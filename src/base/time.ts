/** Points in time. Timers use the monotonic clock. The wall clock is for dates that people read. */

/** Milliseconds on the node's monotonic clock. Its origin is arbitrary and differs between processes. */
export type Instant = number & { readonly brand: 'Instant' }
/** Milliseconds since 1970 (UTC) on the wall clock, which may be wrong and may jump. */
export type WallMs = number & { readonly brand: 'WallMs' }

export function instant(ms: number): Instant {
  return ms as Instant
}

export function wallMs(ms: number): WallMs {
  return ms as WallMs
}

export function after(start: Instant, ms: number): Instant {
  return (start + ms) as Instant
}

/** The earliest of the defined instants. Undefined when there is none. */
export function earliest(...instants: ReadonlyArray<Instant | undefined>): Instant | undefined {
  let first: Instant | undefined
  for (const one of instants) {
    if (one !== undefined && (first === undefined || one < first)) first = one
  }
  return first
}
