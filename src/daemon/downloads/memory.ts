/**
 * What is remembered of downloads beside the catalogue, in the state database: which ones the user paused, and how the last
 * ones failed. Both outlive the process. A failure is forgotten when `get` starts the download again, when `rm` removes it, or
 * when FAILURES_MAX later ones came.
 */
import { LruMap } from '../../base/bounded.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { Result } from '../../core/machine.ts'
import type { StateDb } from '../../io/state/db.ts'
import { encode, optional, struct, text, tryDecode, varint } from '../../wire/codec/codec.ts'
import { isErrorCode } from '../../wire/control/exit.ts'

const PAUSED_PREFIX = 'paused/'
const PAUSED = Uint8Array.of(1)
const FAILED_PREFIX = 'downloads/failed/'
export const FAILURES_MAX = 256
/** Of a message or a name; paths in them may be as long as the system allows. */
const TEXT_BYTES_MAX = 16 << 10
const TEXT_LETTERS_MAX = TEXT_BYTES_MAX / 4

const failureCodec = struct({
  code: text(TEXT_BYTES_MAX),
  message: text(TEXT_BYTES_MAX),
  hint: optional(text(TEXT_BYTES_MAX)),
  name: text(TEXT_BYTES_MAX),
  atSeconds: varint
})

export interface Failure {
  readonly problem: ShoalError
  /** Of the content; empty when it was never known. */
  readonly name: string
  /** Seconds since 1970. */
  readonly atSeconds: number
}

export class Memory {
  private readonly db: Pick<StateDb, 'get' | 'put' | 'scan'>
  /** The oldest first. */
  private readonly failures = new LruMap<ContentId, Failure>(FAILURES_MAX)

  constructor(db: Pick<StateDb, 'get' | 'put' | 'scan'>) {
    this.db = db
    const stored = Array.from(db.scan(FAILED_PREFIX), ([key, value]) => ({
      content: key.slice(FAILED_PREFIX.length) as ContentId,
      failure: decoded(value)
    }))
    stored.sort((a, b) => (a.failure?.atSeconds ?? 0) - (b.failure?.atSeconds ?? 0))
    for (const { content, failure } of stored) if (failure !== undefined) this.failures.set(content, failure)
  }

  isPaused(content: ContentId): boolean {
    return this.db.get(PAUSED_PREFIX + content) !== undefined
  }

  /** Resolves when it is durable. A full disk is an answer. */
  async setPaused(content: ContentId, paused: boolean): Promise<Result> {
    if (paused === this.isPaused(content)) return { ok: true }
    return this.db.put(PAUSED_PREFIX + content, paused ? PAUSED : undefined)
  }

  failure(content: ContentId): Failure | undefined {
    return this.failures.get(content)
  }

  allFailures(): Array<[ContentId, Failure]> {
    return [...this.failures.entries()]
  }

  /** Readers see it at once. Resolves when it is durable, or cannot be: it is then forgotten with the process. */
  async setFailure(content: ContentId, failure: Failure): Promise<void> {
    const dropped = this.failures.set(content, failure)
    const { code, message, hint } = failure.problem
    const record = {
      ...{ code, message: clipped(message), hint: hint === undefined ? undefined : clipped(hint) },
      ...{ name: clipped(failure.name), atSeconds: failure.atSeconds }
    }
    await this.db.put(FAILED_PREFIX + content, encode(failureCodec, record))
    if (dropped !== undefined) await this.db.put(FAILED_PREFIX + dropped.key, undefined)
  }

  /** As setFailure. */
  async forgetFailure(content: ContentId): Promise<void> {
    if (this.failures.delete(content)) await this.db.put(FAILED_PREFIX + content, undefined)
  }
}

function decoded(value: Uint8Array): Failure | undefined {
  const stored = tryDecode(failureCodec, value)
  if (stored === undefined) return undefined
  const { code, message, hint, name, atSeconds } = stored
  const options = hint === undefined ? {} : { hint }
  return { problem: new ShoalError(isErrorCode(code) ? code : 'internal', message, options), name, atSeconds }
}

function clipped(value: string): string {
  return value.length <= TEXT_LETTERS_MAX ? value : `${value.slice(0, TEXT_LETTERS_MAX)}…`
}
