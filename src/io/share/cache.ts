/**
 * What files hashed to, so that sharing a folder again reads only what changed: size, time of change and inode say whether
 * it did (as git's index does).
 *
 * A file that is written again within one tick of its file system's clock keeps its time. So a hash is only kept when the tick
 * of the file's time was over before the first byte was read: then a later write shows in the time. (git calls such files
 * racily clean.) A tick is at most 10 ms where times have a fraction, the kernel's timer at 100 Hz; where they have none it is
 * taken for 2 s, FAT's. Files changed a moment ago are worth waiting for: the scan lets a short tick pass before it reads.
 * Times in the future are never trusted. What somebody sets back by hand on purpose, size and inode unchanged, is not found.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FileStamp } from './walk.ts'

export interface CachedFile {
  readonly diskPath: string
  readonly stamp: FileStamp
  readonly root: Uint8Array
}

/** Kept across runs; may forget at will. */
export interface ShareCache {
  /** What was put for this path with this very stamp. */
  get(diskPath: string, stamp: FileStamp): { readonly root: Uint8Array } | undefined
  /** Replaces what was there for these paths. In batches, so that one transaction may take many. */
  put(files: readonly CachedFile[]): void
}

const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1_000_000_000n
/** Twice the longest tick of Linux's clock for files, 1/100 s. */
const FINE_TICK_NS = 20n * NS_PER_MS
/** FAT's. */
const COARSE_TICK_NS = 2n * NS_PER_SECOND

export interface WallClock {
  /** Nanoseconds since 1970. */
  nowNs(): bigint
  /** Rejects with the signal's reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: WallClock = {
  nowNs: () => BigInt(Date.now()) * NS_PER_MS,
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
  }
}

/** A timer may fire a little early by the other clock. */
const WAITS_MAX = 3

/** To be called before a file is read. Whether its hash may be kept under its present stamp; waits up to 40 ms for that. */
export async function settled(stamp: FileStamp, clock: WallClock, signal: AbortSignal): Promise<boolean> {
  const tickNs = stamp.mtimeNs % NS_PER_SECOND === 0n ? COARSE_TICK_NS : FINE_TICK_NS
  for (let waits = 0; ; waits++) {
    const ageNs = clock.nowNs() - stamp.mtimeNs
    if (ageNs > tickNs) return true
    if (ageNs < -FINE_TICK_NS || tickNs > FINE_TICK_NS || waits === WAITS_MAX) return false
    await clock.sleep(Number((tickNs - ageNs) / NS_PER_MS) + 1, signal)
  }
}
