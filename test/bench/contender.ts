/** What can move a file or a folder from one side to the other on this machine, and one measured run of it. */
import fs from 'node:fs'
import path from 'node:path'
import { digest } from './contents.ts'
import { Side, type Usage } from './usage.ts'
import type { Workshop } from './workshop.ts'

export interface Offer {
  /** Processes of the giving side. */
  readonly giving: readonly number[]
  /** Processes that are already there for the taking side. */
  readonly taking: readonly number[]
  /** Seconds of making it ready: hashing. Undefined where nothing is made ready. */
  readonly readySeconds?: number
  /** What a person types to get it into the folder, which is empty; `name` appears there. */
  fetch(into: string): string[]
  /** Between two runs. */
  end(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** What would have to be installed, or undefined when it can take part. */
  readonly missing: string | undefined
  /** Makes `source` ready to be fetched. What is started here and lives longer than the offer is not counted twice. */
  offer(source: string): Promise<Offer>
}

export interface Run {
  /** From the command to its end. */
  seconds: number
  readySeconds: number | undefined
  giving: Usage
  taking: Usage
}

/** Throws when what arrives differs, or after `limitMs`. */
export async function measure(
  workshop: Workshop,
  contender: Contender,
  { source, sha256, limitMs }: { source: string; sha256: string; limitMs: number }
): Promise<Run> {
  const offer = await contender.offer(source)
  const into = workshop.folder(`${contender.name}-target`)
  try {
    const giving = new Side(offer.giving)
    const taking = new Side(offer.taking)
    const startMs = performance.now()
    const command = workshop.start(offer.fetch(into))
    taking.add(command.pid)
    await command.inTime(limitMs)
    const seconds = (performance.now() - startMs) / 1_000
    const run = { seconds, readySeconds: offer.readySeconds, giving: giving.stop(), taking: taking.stop() }
    if (digest(path.join(into, path.basename(source))) !== sha256)
      throw new Error(`${contender.name}: what arrived is not what was offered`)
    return run
  } finally {
    await offer.end()
    fs.rmSync(into, { recursive: true, force: true })
  }
}
