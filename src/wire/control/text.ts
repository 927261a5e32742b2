/** Texts for people that the command line and the daemon in the foreground share. */
import type { ShoalError } from '../../base/errors.ts'
import type { ShareProblem } from './methods.ts'

/** What moves the cursor, hides, or turns the direction of writing: C0, C1, format characters, line separators, lone surrogates. */
// eslint-disable-next-line no-control-regex -- that is what it looks for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu

/** Escapes a name or path that others chose, so that it cannot control the terminal or imitate another line. */
export function escapeForTerminal(text: string): string {
  return text.replace(UNPRINTABLE, letter => {
    switch (letter) {
      case '\n':
        return '\\n'
      case '\r':
        return '\\r'
      case '\t':
        return '\\t'
      default:
        return `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`
    }
  })
}

/** JSON that can be looked at on a terminal: what `shown` escapes is written in its own escapes, and reads as the same value. */
export function jsonText(value: object): string {
  return JSON.stringify(value).replace(UNPRINTABLE, letters =>
    letters.replace(/[^]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  )
}

/** A line with the message, and one with the hint if there is one. */
export function errorText({ message, hint }: ShoalError): string {
  const what = `shoal: ${escapeForTerminal(message)}\n`
  return hint === undefined ? what : `${what}  ${escapeForTerminal(hint)}\n`
}

/** For the user of a home that was copied. */
export function twinText(address: string): string {
  return `another node runs with this key, at ${address}: stop one of them, and give it a home of its own`
}

/** For a daemon that has started. */
export function readyText(ready: { id: string; name: string; addresses: readonly string[] }): string {
  return `${escapeForTerminal(ready.name)} is ready: ${ready.id}, on ${ready.addresses.join(', ')}\n`
}

/** `2.jpg is missing, 3.jpg is changed and 4 other files`. */
export function problemText({ files, fileCount }: Omit<ShareProblem, 'fix'>): string {
  const named = files.map(({ path, state }) => `${path} ${state === 'missing' ? 'is missing' : 'has changed'}`)
  const others = fileCount - files.length
  return named.join(', ') + (others > 0 ? ` and ${others} other ${others === 1 ? 'file' : 'files'}` : '')
}
