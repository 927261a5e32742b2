/**
 * The reference that `shoal help TOPIC` prints. Every row comes from the schema that the program itself works with, so a status, code,
 * setting or method that exists is documented, and nothing else is.
 */
import { fieldsOf, type FieldText } from '../../wire/control/describe.ts'
import { ERROR_CODES, EXIT_STATUSES } from '../../wire/control/exit.ts'
import { METHODS } from '../../wire/control/methods.ts'
import { flagName, SETTING_KEYS, SETTINGS, variableName } from '../../wire/control/settings.ts'

export interface Entry {
  readonly term: string
  /** Sentences, wrapped to the width of the terminal. */
  readonly text: string
  /** Indented below the text: the fields of a method. */
  readonly entries?: readonly Entry[]
}

export interface Topic {
  readonly name: string
  readonly title: string
  /** Paragraphs before the entries. */
  readonly about: readonly string[]
  readonly entries: readonly Entry[]
  /** The fields of the JSON line. */
  readonly json: object
}

const exitCodes = (): Topic => {
  const codesOf = (status: string): string[] =>
    Object.entries(ERROR_CODES).flatMap(([code, row]) => (String(row.status) === status ? [code] : []))
  const statuses = Object.entries(EXIT_STATUSES).map(([status, meaning]) => ({
    ...{ status: Number(status), meaning, codes: codesOf(status) }
  }))
  return {
    name: 'exit-codes',
    title: 'Exit statuses of every command',
    about: [
      'A script can tell from the status how a command ended. With --json the last line names the error code too.'
    ],
    entries: statuses.map(({ status, meaning, codes }) => ({
      term: String(status),
      text: codes.length === 0 ? meaning : `${meaning} (${codes.join(', ')})`
    })),
    json: { statuses }
  }
}

const errors = (): Topic => {
  const rows = Object.entries(ERROR_CODES).map(([code, { status, when }]) => ({ code, status, when }))
  return {
    name: 'errors',
    title: 'Error codes',
    about: [
      'With --json an error is the line {"v":1,"error":{"code","message","hint"}}. The code is stable; the message and the hint are for people.'
    ],
    entries: rows.map(({ code, status, when }) => ({ term: code, text: `${when} (status ${status})` })),
    json: { errors: rows }
  }
}

const settings = (): Topic => {
  const rows = SETTING_KEYS.map(key => {
    const { help, fallback, placeholder } = SETTINGS[key]
    const names = { key, flag: flagName(key), variable: variableName(key), placeholder }
    return { ...names, default: fallback ?? 'the host name', help }
  })
  return {
    name: 'settings',
    title: 'Settings of a node',
    about: [
      'A setting is a flag of `shoal daemon`, an environment variable, or a line of the config file, in this order of precedence: a flag overrides a variable, a variable overrides the file.',
      '`shoal config set KEY VALUE` writes the file, `shoal config show` prints each value and where it comes from. A running daemon takes changes up at its next start.'
    ],
    entries: rows.map(({ key, variable, help, ...row }) => ({
      term: key,
      text: `${help} (${variable}; default: ${row.default === '' ? 'empty' : row.default})`
    })),
    json: { settings: rows }
  }
}

const api = (): Topic => {
  const methods = Object.entries(METHODS).map(([name, { about, params, event, result }]) => ({
    ...{ name, about, params: fieldsOf(params) },
    events: event.options.map(one => ({ event: one.entries.event.literal, fields: fieldsOf(one).slice(1) })),
    result: fieldsOf(result)
  }))
  return {
    name: 'api',
    title: 'The control API of the daemon',
    about: [
      'HTTP on the Unix socket that the file `socket` in the home names. POST /v1/METHOD with a JSON object; the answer is one JSON object a line, each with "v":1. Lines with the field event come first, then the result or {"v":1,"error":{...}}.',
      'For example: curl --unix-socket "$(cat HOME/socket)" http://shoal/v1/status -d {}',
      'Unknown parameters are refused. A client must ignore fields and events that it does not know.'
    ],
    entries: methods.map(({ name, about, params, events, result }) => ({
      term: name,
      text: about,
      entries: [
        ...fieldEntries('param', params),
        ...events.flatMap(({ event, fields }) => [
          { term: `event ${event}`, text: 'a line before the answer' },
          ...fieldEntries(event, fields)
        ]),
        ...fieldEntries('result', result)
      ]
    })),
    json: { methods }
  }
}

function fieldEntries(group: string, fields: readonly FieldText[]): Entry[] {
  return fields.map(({ name, optional, type, about }) => ({
    term: `${group} ${name}${optional ? '?' : ''}`,
    text: about === '' ? type : `${type}: ${about}`
  }))
}

const TOPICS: Readonly<Record<string, () => Topic>> = { 'exit-codes': exitCodes, settings, errors, api }
export const TOPIC_NAMES = Object.keys(TOPICS)

/** Undefined for a word that is no topic. */
export function topicOf(name: string): Topic | undefined {
  return Object.hasOwn(TOPICS, name) ? TOPICS[name]?.() : undefined
}
