/**
 * What a command says: the answer on stdout, progress and notes on stderr. With --json an object a line on stdout, errors too,
 * so that a script reads one stream; with -q only ids, and no notes.
 */
import type { ShoalError } from '../../base/errors.ts'
import { CONTROL_VERSION, errorLine } from '../../wire/control/methods.ts'
import { errorText, jsonText } from '../../wire/control/text.ts'
import { cut } from './format.ts'

export type Mode = 'text' | 'json' | 'quiet'

/** The part of a terminal or pipe that is used. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
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
const BREATH_MS = 10

export class Output {
  readonly mode: Mode
  private readonly stdout: Sink
  private readonly stderr: Sink
  private readonly colours: boolean
  private drawn = false
  private linesDrawn = 0
  private linesDrawnAtMs = -Infinity
  private due: (() => readonly string[]) | undefined
  private drawing: NodeJS.Timeout | undefined
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
    this.erase()
    switch (this.mode) {
      case 'json':
        this.stdout.write(`${jsonText({ v: CONTROL_VERSION, ...json })}\n`)
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

  /** Whether `draw` draws. */
  get redraws(): boolean {
    return this.mode === 'text' && this.stdout.isTTY === true
  }

  /**
   * The answer as far as it is known: escaped lines in place of those drawn before, as many as the screen holds. The answer takes their
   * place. Only on a terminal; `lines` are made only when they are due.
   */
  draw(lines: () => readonly string[]): void {
    if (!this.redraws) return
    this.due = lines
    // What comes in one breath is drawn once.
    const waitMs = Math.max(BREATH_MS, this.linesDrawnAtMs + REDRAW_MS - performance.now())
    this.drawing ??= setTimeout(() => {
      this.drawDue()
    }, waitMs)
  }

  private drawDue(): void {
    this.drawing = undefined
    const lines = this.due?.() ?? []
    const { rows = 0, columns = 0 } = this.stdout
    const room = Math.max(1, (rows > 0 ? rows : 24) - 2)
    const left = lines.length - room
    const fitting = left > 0 ? [...lines.slice(0, room), `… and ${left} more`] : lines
    this.erase()
    this.stdout.write(fitting.map(line => `${cut(line, (columns > 0 ? columns : 80) - 1)}\n`).join(''))
    this.linesDrawn = fitting.length
    this.linesDrawnAtMs = performance.now()
  }

  /** A line of a stream before its answer: scripts want it, people see progress instead. */
  event(event: object): void {
    if (this.mode === 'json') this.stdout.write(`${jsonText({ v: CONTROL_VERSION, ...event })}\n`)
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

  /** What was drawn stays. */
  error(error: ShoalError): void {
    clearTimeout(this.drawing)
    this.clear()
    if (this.mode === 'json') this.stdout.write(`${jsonText(errorLine(error))}\n`)
    else this.stderr.write(errorText(error))
  }

  /** On a terminal, unless NO_COLOR is set. */
  colour(name: 'red' | 'green' | 'yellow' | 'dim', text: string): string {
    const code = { red: 31, green: 32, yellow: 33, dim: 2 }[name]
    return this.colours && this.stdout.isTTY === true ? `\u001b[${code}m${text}\u001b[0m` : text
  }

  private erase(): void {
    clearTimeout(this.drawing)
    this.drawing = undefined
    if (this.linesDrawn > 0) this.stdout.write(`\u001b[${this.linesDrawn}A\r\u001b[J`)
    this.linesDrawn = 0
  }

  private clear(): void {
    if (this.drawn) this.stderr.write('\r\u001b[K')
    this.drawn = false
  }
}
