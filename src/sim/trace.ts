/**
 * The trace of a run, in two forms: a running hash over all events, so that two runs can be compared, and a ring
 * buffer of the last events, which are formatted only when a run fails.
 */
import { hex } from '../base/bytes.ts'

const KINDS = [
  'start',
  'crash',
  'stop',
  'pause',
  'resume',
  'send',
  'lost',
  'receive',
  'stream-send',
  'stream-receive',
  'link-up',
  'link-down',
  'persist',
  'done',
  'command',
  'emit',
  'wake',
  'call',
  'fault',
  'transfer'
] as const
export type TraceKind = (typeof KINDS)[number]
const CODE_OF = new Map<TraceKind, number>(KINDS.map((kind, code) => [kind, code + 1]))

export interface TraceLine {
  atMs: number
  kind: TraceKind
  node: string
  peer: string
  detail: unknown
}

/** A fast 32-bit digest of bytes for the trace; not cryptographic. */
export function digest(bytes: Uint8Array): number {
  let h = 0x811c9dc5 ^ bytes.length
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193)
  return h
}

/** Like `digest`, for the UTF-16 code units of a text. */
export function digestText(text: string): number {
  let h = 0x811c9dc5 ^ text.length
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

const TEXT_LENGTH_MAX = 400

function words(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  const text = JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Uint8Array) return `<${inner.length}: ${hex(inner.subarray(0, 8))}>`
    if (inner instanceof Map || inner instanceof Set) return [...(inner as Iterable<unknown>)]
    if (typeof inner === 'bigint') return `${inner}n`
    if (typeof inner === 'string' && inner.length === 64) return inner.slice(0, 8)
    return inner
  })
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text
}

export class Trace {
  private h1 = 0x9e3779b9 | 0
  private h2 = 0x85ebca6b | 0
  private readonly clock = new Float64Array(1)
  private readonly clockWords = new Uint32Array(this.clock.buffer)
  private readonly ring: TraceLine[] = []
  private next = 0
  private readonly linesMax: number
  /** The number of events so far. */
  count = 0

  /** Keeps the last `linesMax` lines. */
  constructor(linesMax: number) {
    this.linesMax = linesMax
  }

  private mix(word: number): void {
    const a = Math.imul(this.h1 ^ word, 0xcc9e2d51)
    this.h1 = (a << 15) | (a >>> 17)
    const b = Math.imul(this.h2 + word + (this.h1 >>> 3), 0x1b873593)
    this.h2 = (b << 13) | (b >>> 19)
  }

  /** `node` and `peer` are names, or ''. `value` is a number, such as a digest or a token, that is hashed too. */
  note(atMs: number, kind: TraceKind, node: string, peer: string, value: number, detail: unknown): void {
    this.count++
    this.clock[0] = atMs
    this.mix(this.clockWords[0] as number)
    this.mix(this.clockWords[1] as number)
    this.mix(CODE_OF.get(kind) as number)
    this.mix(digestText(node))
    this.mix(digestText(peer))
    this.mix(value)
    if (this.linesMax === 0) return
    const line = this.ring[this.next]
    if (line === undefined) this.ring.push({ atMs, kind, node, peer, detail })
    else {
      line.atMs = atMs
      line.kind = kind
      line.node = node
      line.peer = peer
      line.detail = detail
    }
    this.next = this.next + 1 === this.linesMax ? 0 : this.next + 1
  }

  /** The hash over all events so far, 16 hexadecimal digits. */
  get hash(): string {
    const part = (h: number): string => (h >>> 0).toString(16).padStart(8, '0')
    return part(this.h1) + part(this.h2)
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    const whole = this.ring.length === this.linesMax
    const ordered = whole ? [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)] : this.ring
    return ordered.map(({ atMs, kind, node, peer, detail }) => {
      const who = peer === '' ? node : `${node} ${kind.includes('receive') ? '<-' : '->'} ${peer}`
      return `${atMs.toFixed(3).padStart(12)} ${kind.padEnd(14)} ${who.padEnd(12)} ${words(detail)}`.trimEnd()
    })
  }
}
