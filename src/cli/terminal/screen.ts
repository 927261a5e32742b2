/**
 * The whole terminal, while a command wants it: the alternate screen, no cursor, keys as they are pressed. Whatever way the
 * process ends but kill -9, the terminal is as it was.
 */
import type { ReadStream, WriteStream } from 'node:tty'

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const CLEAR = '\u001b[2J'
/** A resize is told for every step of the mouse. */
const REDRAW_MS = 50
const CTRL_C = '\u0003'

export interface ScreenOptions {
  stdout: WriteStream
  stdin: ReadStream
  /** Lines for a screen of this size. */
  picture: (size: { columns: number; rows: number }) => readonly string[]
  /** q or Ctrl-C was pressed. */
  onQuit: () => void
}

export class Screen {
  private readonly options: ScreenOptions
  private drawn = ''
  private timer: NodeJS.Timeout | undefined
  private open = false

  constructor(options: ScreenOptions) {
    this.options = options
  }

  enter(): void {
    const { stdout, stdin } = this.options
    this.open = true
    process.once('exit', this.leave)
    stdout.write(ENTER)
    stdout.on('resize', this.resized)
    if (!stdin.isTTY) return
    stdin.setRawMode(true)
    stdin.on('data', this.pressed)
  }

  /** Draws what has changed. A terminal that does not keep up misses frames. */
  draw(): void {
    const { stdout, picture } = this.options
    if (!this.open || stdout.writableNeedDrain) return
    const lines = picture({ columns: stdout.columns, rows: stdout.rows })
    const text = `${HOME}${lines.map(line => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`
    if (text === this.drawn) return
    this.drawn = text
    stdout.write(text)
  }

  /** Idempotent. */
  readonly leave = (): void => {
    if (!this.open) return
    this.open = false
    const { stdout, stdin } = this.options
    process.off('exit', this.leave)
    clearTimeout(this.timer)
    stdout.off('resize', this.resized)
    if (stdin.isTTY) {
      stdin.off('data', this.pressed)
      stdin.setRawMode(false)
      stdin.pause()
    }
    stdout.write(LEAVE)
  }

  private readonly pressed = (keys: Buffer | string): void => {
    const text = keys.toString()
    if (/^[qQ]/.test(text) || text.includes(CTRL_C)) this.options.onQuit()
  }

  private readonly resized = (): void => {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.drawn = ''
      if (this.open) this.options.stdout.write(CLEAR)
      this.draw()
    }, REDRAW_MS)
  }
}
