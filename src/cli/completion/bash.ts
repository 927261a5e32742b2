/** Completion for bash, without the package bash-completion. */
import { argumentCases, commandCases, placeCases, quoted, wantedCases } from './cases.ts'
import type { Place } from './tree.ts'

export function bashScript(places: readonly Place[]): string {
  return `# Completion of shoal for bash: shoal completion bash > ~/.local/share/bash-completion/completions/shoal
_shoal() {
  local word wanted= at= cur=\${COMP_WORDS[COMP_CWORD]}
  local -i i args=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $wanted ]]; then
      # bash takes the = of --option=value for a word of its own.
      [[ $word == '=' ]] || wanted=
      continue
    fi
    case "$at|$word" in
${commandCases(places)}
${wantedCases(places)}
      *'|'-*) ;;
      *) args+=1 ;;
    esac
  done
  [[ -n $wanted && $cur == '=' ]] && cur=
  local answers=
  if [[ -n $wanted ]]; then
    answers=$wanted
  elif [[ $cur == -* ]]; then
    case "$at" in
${placeCases(places, ({ options }) => `answers=${quoted(options.flatMap(({ names }) => names).join(' '))}`)}
    esac
  else
    case "$at|$args" in
${argumentCases(places, ({ commands }) => `answers=${quoted(commands.map(({ name }) => name).join(' '))}`)}
    esac
  fi
  case "$answers" in
    :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    :anything) COMPREPLY=() ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$answers" -- "$cur") ;;
  esac
}
complete -F _shoal shoal
`
}
