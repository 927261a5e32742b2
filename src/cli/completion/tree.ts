/**
 * What may stand where on the command line, read from the grammar itself: what has no place there is not completed, and what
 * has one cannot be forgotten. IDs and names are not completed: asking the daemon at every key would be slow.
 */
import type { Argument, Command, Option } from 'commander'
import { TOPIC_NAMES } from '../docs/topics.ts'
import { SETTING_KEYS } from '../../wire/control/settings.ts'

/** What a value may be: words of a list, files, folders, or anything. */
export type Values = 'files' | 'folders' | 'anything' | readonly string[]

export interface OptionPlace {
  /** As they are typed: `-o`, `--output`. */
  names: readonly string[]
  does: string
  /** Undefined: it takes no value. */
  values: Values | undefined
}

export interface Place {
  /** The commands up to here, with blanks between them; empty for `shoal` itself. */
  at: string
  commands: ReadonlyArray<{ name: string; does: string }>
  options: readonly OptionPlace[]
  args: readonly Values[]
  /** The last one may be given again. */
  variadic: boolean
}

const HELP: OptionPlace = { names: ['-h', '--help'], does: 'print help', values: undefined }

/** By the placeholder in the help: what is asked for under one name is one thing. */
const PLACEHOLDERS: Readonly<Record<string, Values>> = {
  dir: 'folders',
  file: 'files',
  FILE: 'files',
  path: 'files',
  what: 'files',
  key: SETTING_KEYS,
  preset: ['lan', 'local', 'wan'],
  LEVEL: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
  shell: ['bash', 'zsh', 'fish'],
  action: ['install', 'remove', 'print'],
  topic: TOPIC_NAMES
}
/** A key of the ring may be anything. */
const NOT_A_SETTING = 'ring lookup'

/** Every place of the command line, the root first. Options of the root are those of every place. */
export function placesOf(program: Command): Place[] {
  const everywhere = program.options.map(optionPlace)
  const visit = (command: Command, at: string): Place[] => {
    const own = command === program ? [] : command.options.map(optionPlace)
    const place: Place = {
      at,
      commands: command.commands.map(one => ({ name: one.name(), does: one.description() })),
      options: [...own, ...everywhere, HELP],
      args: command.registeredArguments.map(argument => valuesOf(argument, at)),
      variadic: command.registeredArguments.at(-1)?.variadic === true
    }
    return [place, ...command.commands.flatMap(one => visit(one, at === '' ? one.name() : `${at} ${one.name()}`))]
  }
  return visit(program, '')
}

function optionPlace(option: Option): OptionPlace {
  const { short, long, description, required, optional, flags } = option
  const placeholder = /[<[]([\w:[\]]+?)[>\]]$/.exec(flags)?.[1] ?? ''
  return {
    names: [short, long].filter(name => name !== undefined),
    does: description,
    values: required || optional ? (PLACEHOLDERS[placeholder] ?? 'anything') : undefined
  }
}

function valuesOf(argument: Argument, at: string): Values {
  if (argument.argChoices !== undefined) return argument.argChoices
  return at === NOT_A_SETTING ? 'anything' : (PLACEHOLDERS[argument.name()] ?? 'anything')
}
