/** Completion for zsh, as a function on fpath or sourced. */
import { argumentCases, commandCases, placeCases, quoted, wantedCases } from './cases.ts'
import type { OptionPlace, Place } from './tree.ts'

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
${placeCases(places, ({ options }) => `items=(${options.flatMap(optionItems).join(' ')})`)}
    esac
    _describe -o option items
    return
  else
    case "$at|$args" in
${argumentCases(places, ({ commands }) => `answers=:items; items=(${commands.map(one => item(one.name, one.does)).join(' ')})`)}
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

function optionItems({ names, does }: OptionPlace): string[] {
  return names.map(name => item(name, does))
}

/** For `_describe`. */
function item(name: string, does: string): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${does}`)
}
