/**
 * top: members and transfers, live. On a terminal it takes the whole screen until q or Ctrl-C; with --json it is a stream;
 * elsewhere it prints one frame.
 */
import { ShoalError } from '../../base/errors.ts'
import type { TopResult } from '../../wire/control/top.ts'
import { askDaemon, type Context } from '../context.ts'
import { Screen } from '../terminal/screen.ts'
import { topPicture, type Colour } from '../terminal/top-picture.ts'

/** Where nobody says how wide it is. */
const COLUMNS = 100

export async function top(context: Context): Promise<void> {
  const { output, terminal } = context
  if (output.mode === 'json') {
    await untilQuit(() => follow(context, result => output.event({ event: 'top', ...result }), context.signal))
    output.event({ event: 'done' })
  } else if (output.mode === 'text' && terminal !== undefined && process.env['TERM'] !== 'dumb')
    await live(context, terminal)
  else {
    const result = await askDaemon(context, 'top', {})
    output.answer({
      json: result,
      text: () => `${topPicture(result, { columns: COLUMNS, rows: undefined }, colourOf(context)).join('\n')}\n`,
      ids: () => result.transfers.map(({ id }) => id)
    })
  }
}

async function live(context: Context, stdout: NodeJS.WriteStream): Promise<void> {
  const { stdin } = context
  const quit = new AbortController()
  let latest: TopResult | undefined
  const screen = new Screen({
    ...{ stdout, stdin: stdin },
    picture: size => (latest === undefined ? ['waiting for the daemon'] : topPicture(latest, size, colourOf(context))),
    onQuit: () => {
      quit.abort()
    }
  })
  const draw = (result: TopResult): void => {
    latest = result
    screen.draw()
  }
  try {
    screen.enter()
    await untilQuit(() => follow(context, draw, AbortSignal.any([quit.signal, context.signal])))
  } finally {
    screen.leave()
  }
}

async function follow(context: Context, told: (result: TopResult) => void, signal: AbortSignal): Promise<void> {
  await askDaemon(
    context,
    'top',
    { follow: true },
    {
      signal,
      onEvent: ({ event: _, ...result }) => {
        told(result)
      }
    }
  )
}

/** A signal, as q, is how one stops looking. */
async function untilQuit(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'interrupted') throw error
  }
}

function colourOf({ output }: Context): Colour {
  return (name, text) => output.colour(name, text)
}
