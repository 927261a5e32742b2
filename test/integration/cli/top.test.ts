/** `shoal top` in a terminal, and where there is none. */
import { spawn } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import type { TopResult } from '../../../src/wire/control/top.ts'
import { bin, fakeDaemon, linesOf, shoal, start } from './shoal.ts'

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

const frame: TopResult = {
  ...{ id: '12D3KooWself', name: 'cod', uptimeSeconds: 1, rssBytes: 1 << 20 },
  ...{ downBytesPerSecond: 0, upBytesPerSecond: 0, states: { alive: 1, suspect: 0, dead: 0, left: 0 } },
  members: [
    {
      ...{ id: '12D3KooWself', name: 'e\u001b[2Jvil', state: 'alive', self: true },
      ...{ downBytesPerSecond: 0, upBytesPerSecond: 0 }
    }
  ],
  transfers: [],
  more: { members: 0, transfers: 0 }
}

function topDaemon() {
  return fakeDaemon({
    top: async ({ follow }, { emit, signal }) => {
      if (follow !== true) return frame
      emit({ event: 'top', ...frame })
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      return frame
    }
  })
}

/** In a terminal of 60 columns and 12 rows. */
function inTerminal(home: string, env: Record<string, string> = {}) {
  const inner = `stty cols 60 rows 12; 'node' '${bin}' --home '${home}' top; echo "status $?"; stty -a`
  const child = spawn('script', ['--quiet', '--return', '--command', inner, '/dev/null'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let screen = ''
  const heard = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    for (const hear of heard) hear()
  })
  const shows = (text: string): Promise<void> =>
    new Promise(resolve => {
      const look = (): void => {
        if (screen.includes(text)) resolve()
      }
      heard.add(look)
      look()
    })
  const ended = new Promise<string>(resolve => child.once('close', () => resolve(screen)))
  return { type: (keys: string) => child.stdin.write(keys), shows, ended }
}

describe('shoal top', () => {
  it.each([
    ['q', 'q'],
    ['Ctrl-C', '\u0003']
  ])('takes the screen, and gives it back as it was when %s is pressed', async (_, key) => {
    const { home } = await topDaemon()
    const terminal = inTerminal(home)
    await terminal.shows('cod  up')
    terminal.type(key)
    const screen = await terminal.ended
    expect(screen.indexOf(ENTER)).toBe(0)
    expect(screen.indexOf(LEAVE)).toBeGreaterThan(screen.indexOf('cod  up'))
    expect(screen).toContain('status 0')
    const settings = screen.slice(screen.indexOf('status 0'))
    expect(settings).toMatch(/(?<!-)\bicanon\b/)
    expect(settings).toMatch(/(?<!-)\becho\b/)
    expect(screen).toContain('\u001b[32malive')
    expect(screen).toContain('e\\u{1b}[2Jvil')
  })

  it('gives the screen back when the daemon refuses, and says so with its status', async () => {
    const { home } = await fakeDaemon({
      top: async (_, { emit }) => {
        emit({ event: 'top', ...frame })
        throw new ShoalError('busy', 'no frame more')
      }
    })
    const terminal = inTerminal(home)
    const screen = await terminal.ended
    expect(screen).toContain(LEAVE)
    expect(screen.indexOf('shoal: no frame more')).toBeGreaterThan(screen.indexOf(LEAVE))
    expect(screen).toContain('status 1')
  })

  it('has no colours with NO_COLOR', async () => {
    const { home } = await topDaemon()
    const terminal = inTerminal(home, { NO_COLOR: '1' })
    await terminal.shows('cod  up')
    terminal.type('q')
    expect(await terminal.ended).not.toContain('\u001b[32m')
  })

  it('prints one frame on a terminal that cannot be drawn on', async () => {
    const { home } = await topDaemon()
    const screen = await inTerminal(home, { TERM: 'dumb' }).ended
    expect(screen).toContain('cod  up 1.0 s')
    expect(screen.slice(0, screen.indexOf('status 0'))).not.toContain('\u001b')
  })

  it('prints one frame where stdout is no terminal', async () => {
    const { home } = await topDaemon()
    const { status, stdout } = await shoal(home, ['top'])
    expect(status).toBe(0)
    expect(stdout).toContain('cod  up 1.0 s')
    expect(stdout).not.toContain('\u001b')
  })

  it('streams with --json until it is told to end', async () => {
    const { home } = await topDaemon()
    const running = start({ args: ['--home', home, '--json', 'top'] })
    await running.said('"event":"top"')
    running.child.kill('SIGINT')
    const { status, stdout } = await running.ended
    expect(status).toBe(0)
    expect(linesOf(stdout)).toEqual([
      { v: 1, event: 'top', ...frame },
      { v: 1, event: 'done' }
    ])
  })
})
