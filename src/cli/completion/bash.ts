/** Completion for bash, without the package bash-completion. */
import type { Place, Values } from './tree.ts'

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
${optionCases(places)}
    esac
  else
    case "$at|$args" in
${argumentCases(places)}
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

function commandCases(places: readonly Place[]): string {
  return places
    .filter(({ at }) => at !== '')
    .map(({ at }) => {
      const parent = at.includes(' ') ? at.slice(0, at.lastIndexOf(' ')) : ''
      return `      ${quoted(`${parent}|${at.slice(parent.length).trim()}`)}) at=${quoted(at)} ;;`
    })
    .join('\n')
}

function wantedCases(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, options }) =>
    options.flatMap(({ names, values }) => {
      if (values === undefined) return []
      return [`      ${names.map(name => quoted(`${at}|${name}`)).join('|')}) wanted=${quoted(answersOf(values))} ;;`]
    })
  )
  return lines.join('\n')
}

function optionCases(places: readonly Place[]): string {
  return places
    .map(
      ({ at, options }) => `      ${quoted(at)}) answers=${quoted(options.flatMap(({ names }) => names).join(' '))} ;;`
    )
    .join('\n')
}

function argumentCases(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, commands, args, variadic }) => {
    const subcommands = commands.map(({ name }) => name).join(' ')
    const first = subcommands === '' ? [] : [`      ${quoted(`${at}|0`)}) answers=${quoted(subcommands)} ;;`]
    const rest = args.map((values, index) => {
      const which = variadic && index === args.length - 1 ? `${quoted(`${at}|`)}*` : quoted(`${at}|${index}`)
      return `      ${which}) answers=${quoted(answersOf(values))} ;;`
    })
    return [...first, ...rest]
  })
  return lines.join('\n')
}

function answersOf(values: Values): string {
  return typeof values === 'string' ? `:${values}` : values.join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
