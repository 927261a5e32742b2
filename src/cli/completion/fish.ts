/** Completion for fish. */
import { stepTo } from './cases.ts'
import type { OptionPlace, Place, Values } from './tree.ts'

export function fishScript(places: readonly Place[]): string {
  return `# Completion of shoal for fish: shoal completion fish > ~/.config/fish/completions/shoal.fish
function __shoal_at --description 'true at this place of the command line, before so many arguments'
    set -l at ''
    set -l args 0
    set -l wanted no
    for word in (commandline --tokenize --cut-at-cursor --current-process)[2..]
        if test $wanted = yes
            set wanted no
            continue
        end
        switch "$at|$word"
${commandCases(places)}
${wantedCases(places)}
            case '*|-*'
            case '*'
                set args (math $args + 1)
        end
    end
    test "$at" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; and return 0
    test $args = $argv[2]; and return 0
    test "$argv[3]" = more; and test $args -gt $argv[2]
end
complete --command shoal --erase
complete --command shoal --no-files
${places.flatMap(placeLines).join('\n')}
`
}

function commandCases(places: readonly Place[]): string {
  return places
    .filter(({ at }) => at !== '')
    .map(({ at }) => {
      const pattern = quoted(stepTo(at))
      return `            case ${pattern}\n                set at ${quoted(at)}`
    })
    .join('\n')
}

function wantedCases(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, options }) => {
    const names = options.filter(({ values }) => values !== undefined).flatMap(one => one.names)
    return [`            case ${names.map(name => quoted(`${at}|${name}`)).join(' ')}\n                set wanted yes`]
  })
  return lines.join('\n')
}

function placeLines({ at, commands, options, args, variadic }: Place): string[] {
  const where = (...more: string[]): string => `--condition ${quoted(['__shoal_at', quoted(at), ...more].join(' '))}`
  return [
    ...commands.map(
      ({ name, does }) => `complete --command shoal ${where('0')} --arguments ${name} --description ${quoted(does)}`
    ),
    ...options.map(option => `complete --command shoal ${where()} ${optionText(option)}`),
    ...args.flatMap((values, index) => {
      const text = valuesText(values)
      const more = variadic && index === args.length - 1 ? ['more'] : []
      return text === '' ? [] : [`complete --command shoal ${where(String(index), ...more)} ${text}`]
    })
  ]
}

function optionText({ names, does, values }: OptionPlace): string {
  const flags = names.map(name =>
    name.startsWith('--') ? `--long-option ${name.slice(2)}` : `--short-option ${name.slice(1)}`
  )
  const text = values === undefined ? '' : valuesText(values)
  // Exclusive: a value is needed, and it is no file unless the text says so.
  const takes = values === undefined ? [] : [values === 'files' ? '--require-parameter' : '--exclusive', text]
  return [...flags, ...takes, `--description ${quoted(does)}`].filter(part => part !== '').join(' ')
}

function valuesText(values: Values): string {
  switch (values) {
    case 'files':
      return '--force-files'
    case 'folders':
      return `--arguments ${quoted('(__fish_complete_directories)')}`
    case 'anything':
      return ''
    default:
      return `--arguments ${quoted(values.join(' '))}`
  }
}

/** Fish knows \\ and \' between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
