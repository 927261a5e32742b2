/** The parts of a script that bash and zsh write alike: the patterns of a `case` over the place and what stands there. */
import type { Place, Values } from './tree.ts'

/** A word that is none of the answers itself, but says where they come from, begins so. */
export function answersOf(values: Values): string {
  return typeof values === 'string' ? `:${values}` : values.join(' ')
}

/** One word of a shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** `PLACE|WORD`: a subcommand leads on to its own place. */
export function commandCases(places: readonly Place[]): string {
  const below = places.filter(({ at }) => at !== '')
  return lines(below.map(({ at }) => clause(quoted(stepTo(at)), `at=${quoted(at)}`)))
}

/** `PLACE|WORD`: an option that takes a value wants it next. */
export function wantedCases(places: readonly Place[]): string {
  const clauses = places.flatMap(({ at, options }) =>
    options.flatMap(({ names, values }) => {
      if (values === undefined) return []
      return [clause(names.map(name => quoted(`${at}|${name}`)).join('|'), `wanted=${quoted(answersOf(values))}`)]
    })
  )
  return lines(clauses)
}

/** `PLACE`: what `answer` makes of it. */
export function placeCases(places: readonly Place[], answer: (place: Place) => string): string {
  return lines(places.map(place => clause(quoted(place.at), answer(place))))
}

/** `PLACE|NUMBER`: `answer` for the subcommands where there are any, then the values of each argument. */
export function argumentCases(places: readonly Place[], answer: (place: Place) => string): string {
  const clauses = places.flatMap(place => {
    const { at, commands, args, variadic } = place
    const first = commands.length === 0 ? [] : [clause(quoted(`${at}|0`), answer(place))]
    const rest = args.map((values, index) => {
      const isLast = variadic && index === args.length - 1
      return clause(isLast ? `${quoted(`${at}|`)}*` : quoted(`${at}|${index}`), `answers=${quoted(answersOf(values))}`)
    })
    return [...first, ...rest]
  })
  return lines(clauses)
}

/** From `ring lookup` to `ring|lookup`, from `ring` to `|ring`. */
export function stepTo(at: string): string {
  const end = at.lastIndexOf(' ')
  return end < 0 ? `|${at}` : `${at.slice(0, end)}|${at.slice(end + 1)}`
}

function clause(pattern: string, act: string): string {
  return `      (${pattern}) ${act} ;;`
}

function lines(clauses: readonly string[]): string {
  return clauses.join('\n')
}
