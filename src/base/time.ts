/** Points in time. Timers run on the monotonic clock; the wall clock is for people. */

/** Milliseconds on the node's monotonic clock. Its zero means nothing and differs between processes. */
export type Instant = number & { readonly brand: 'Instant' }
/** Milliseconds since 1970, by a clock that may be wrong or jump. */
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

/** The earliest of what is defined. */
export function earliest(...instants: ReadonlyArray<Instant | undefined>): Instant | undefined {
  let first: Instant | undefined
  for (const one of instants) {
    if (one !== undefined && (first === undefined || one < first)) first = one
  }
  return first
}
