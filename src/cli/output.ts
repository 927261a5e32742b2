/**
 * What a command says: the answer on stdout, progress and notes on stderr. With --json an object a line on stdout, errors too,
 * so that a script reads one stream; with -q only ids, and no notes.
 */
import type { ShoalError } from '../base/errors.ts'
import { CONTROL_VERSION, errorLine } from '../wire/control.ts'
import { errorText } from '../wire/control-text.ts'
import { cut } from './format.ts'

export type Mode = 'text' | 'json' | 'quiet'

/** The part of a terminal or pipe that is used. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface Answer {
  /** Fields of the JSON line. */
  json: object
  text: () => string
  /** What -q prints, a line each. */
  ids: () => readonly string[]
}

/** A line that is redrawn in place at most so often. */
const REDRAW_MS = 100
/** Where it cannot be redrawn, a new line comes so often. */
const REPEAT_MS = 5_000

export class Output {
  readonly mode: Mode
  private readonly stdout: Sink
  private readonly stderr: Sink
  private readonly colours: boolean
  private drawn = false
  private drawnAtMs = -Infinity

  constructor(to: { stdout: Sink; stderr: Sink; mode: Mode; env: Readonly<Record<string, string | undefined>> }) {
    this.mode = to.mode
    this.stdout = to.stdout
    this.stderr = to.stderr
    // https://no-color.org: present and not empty.
    this.colours = (to.env['NO_COLOR'] ?? '') === '' && to.env['TERM'] !== 'dumb'
  }

  answer({ json, text, ids }: Answer): void {
    this.clear()
    switch (this.mode) {
      case 'json':
        this.stdout.write(`${JSON.stringify({ v: CONTROL_VERSION, ...json })}\n`)
        break
      case 'quiet':
        this.stdout.write(
          ids()
            .map(id => `${id}\n`)
            .join('')
        )
        break
      case 'text':
        this.stdout.write(text())
        break
    }
  }

  /** An answer that takes the place of the one before it on a terminal, and follows it elsewhere. */
  frame(answer: Answer): void {
    if (this.mode === 'text' && this.stdout.isTTY === true) this.stdout.write('\u001b[H\u001b[J')
    this.answer(answer)
  }

  /** A line of a stream before its answer: scripts want it, people see progress instead. */
  event(event: object): void {
    if (this.mode === 'json') this.stdout.write(`${JSON.stringify({ v: CONTROL_VERSION, ...event })}\n`)
  }

  note(text: string): void {
    if (this.mode === 'quiet') return
    this.clear()
    this.stderr.write(`${text}\n`)
  }

  /** `text` is made only when it is due. */
  progress(text: () => string): void {
    if (this.mode === 'quiet') return
    const isTerminal = this.stderr.isTTY === true
    const nowMs = performance.now()
    if (nowMs - this.drawnAtMs < (isTerminal ? REDRAW_MS : REPEAT_MS)) return
    this.drawnAtMs = nowMs
    if (isTerminal) this.stderr.write(`\r\u001b[K${cut(text(), (this.stderr.columns ?? 80) - 1)}`)
    else this.stderr.write(`${text()}\n`)
    this.drawn = isTerminal
  }

  error(error: ShoalError): void {
    this.clear()
    if (this.mode === 'json') this.stdout.write(`${JSON.stringify(errorLine(error))}\n`)
    else this.stderr.write(errorText(error))
  }

  /** On a terminal, unless NO_COLOR is set. */
  colour(name: 'red' | 'green' | 'yellow' | 'dim', text: string): string {
    const code = { red: 31, green: 32, yellow: 33, dim: 2 }[name]
    return this.colours && this.stdout.isTTY === true ? `\u001b[${code}m${text}\u001b[0m` : text
  }

  private clear(): void {
    if (this.drawn) this.stderr.write('\r\u001b[K')
    this.drawn = false
  }
}
