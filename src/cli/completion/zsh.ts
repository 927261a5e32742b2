/** Completion for zsh, as a function on fpath or sourced. */
import type { Place, Values } from './tree.ts'

export function zshScript(places: readonly Place[]): string {
  return `#compdef shoal
# Completion of shoal for zsh: shoal completion zsh > a folder of fpath, as _shoal
_shoal() {
  local word wanted= at= answers=
  local -i i args=0
  local -a items
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ -n $wanted ]]; then
      wanted=
      continue
    fi
    case "$at|$word" in
${commandCases(places)}
${wantedCases(places)}
      (*'|'-*) ;;
      (*) args+=1 ;;
    esac
  done
  if [[ -n $wanted ]]; then
    answers=$wanted
  elif [[ $words[CURRENT] == -* ]]; then
    case "$at" in
${optionCases(places)}
    esac
    _describe -o option items
    return
  else
    case "$at|$args" in
${argumentCases(places)}
    esac
  fi
  case "$answers" in
    (:files) _files ;;
    (:folders) _files -/ ;;
    (:items) _describe command items ;;
    (:anything|'') ;;
    (*) compadd -- $=answers ;;
  esac
}
if [[ $funcstack[1] == _shoal ]]; then
  _shoal "$@"
else
  compdef _shoal shoal
fi
`
}

function commandCases(places: readonly Place[]): string {
  return places
    .filter(({ at }) => at !== '')
    .map(({ at }) => {
      const parent = at.includes(' ') ? at.slice(0, at.lastIndexOf(' ')) : ''
      return `      (${quoted(`${parent}|${at.slice(parent.length).trim()}`)}) at=${quoted(at)} ;;`
    })
    .join('\n')
}

function wantedCases(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, options }) =>
    options.flatMap(({ names, values }) => {
      if (values === undefined) return []
      return [`      (${names.map(name => quoted(`${at}|${name}`)).join('|')}) wanted=${quoted(answersOf(values))} ;;`]
    })
  )
  return lines.join('\n')
}

function optionCases(places: readonly Place[]): string {
  return places
    .map(({ at, options }) => {
      const items = options.flatMap(({ names, does }) => names.map(name => item(name, does)))
      return `      (${quoted(at)}) items=(${items.join(' ')}) ;;`
    })
    .join('\n')
}

function argumentCases(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, commands, args, variadic }) => {
    const items = commands.map(({ name, does }) => item(name, does)).join(' ')
    const first = items === '' ? [] : [`      (${quoted(`${at}|0`)}) answers=:items; items=(${items}) ;;`]
    const rest = args.map((values, index) => {
      const which = variadic && index === args.length - 1 ? `${quoted(`${at}|`)}*` : quoted(`${at}|${index}`)
      return `      (${which}) answers=${quoted(answersOf(values))} ;;`
    })
    return [...first, ...rest]
  })
  return lines.join('\n')
}

function item(name: string, does: string): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${does}`)
}

function answersOf(values: Values): string {
  return typeof values === 'string' ? `:${values}` : values.join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
