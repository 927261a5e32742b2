/** help: a topic of the reference, or the help of a command. */
import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import type { Context } from '../context.ts'
import { topicText } from '../docs/layout.ts'
import { TOPIC_NAMES, topicOf } from '../docs/topics.ts'

/** Wider lines are hard to read. */
const COLUMNS_MAX = 100
/** Where stdout is no terminal. */
const COLUMNS_DEFAULT = 80

export async function help({ output, terminal }: Context, program: Command, words: readonly string[]): Promise<void> {
  const topic = words.length === 1 ? topicOf(words[0] ?? '') : undefined
  if (topic === undefined) {
    commandOf(program, words).outputHelp()
    return
  }
  const columns = terminal !== undefined && terminal.columns > 0 ? terminal.columns : COLUMNS_DEFAULT
  output.answer({
    json: { topic: topic.name, ...topic.json },
    text: () => topicText(topic, Math.min(columns, COLUMNS_MAX)),
    ids: () => topic.entries.map(({ term }) => term)
  })
}

/** Throws ShoalError 'usage'. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program
  for (const word of words) {
    const next = command.commands.find(one => one.name() === word)
    if (next === undefined) {
      throw new ShoalError('usage', `there is no command or topic ${JSON.stringify(words.join(' '))}`, {
        hint: `topics: ${TOPIC_NAMES.join(', ')}; commands: shoal --help`
      })
    }
    command = next
  }
  return command
}
