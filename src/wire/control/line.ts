/** A line of an answer: JSON with `"v":1` that is an event, the result or an error. */
import * as v from 'valibot'
import { ShoalError } from '../../base/errors.ts'
import { isErrorCode } from './exit.ts'
import { misfit } from './check.ts'
import { CONTROL_VERSION } from './methods.ts'

export type AnswerLine =
  | { readonly kind: 'event' | 'result'; readonly fields: object }
  | { readonly kind: 'error'; readonly error: ShoalError }

const line = v.looseObject({
  v: v.literal(CONTROL_VERSION),
  event: v.optional(v.string()),
  error: v.optional(v.unknown())
})
const told = v.object({
  code: v.optional(v.string()),
  message: v.optional(v.string()),
  hint: v.optional(v.string())
})

/** The fields of an event or result are not checked yet. Throws ShoalError `internal` for anything but a line of this version. */
export function answerLine(text: string): AnswerLine {
  const checked = v.safeParse(v.pipe(v.string(), v.parseJson(), line), text)
  if (!checked.success) throw misfit()
  const { v: _, ...fields } = checked.output
  if (fields.error !== undefined) return { kind: 'error', error: errorOf(fields.error) }
  return { kind: fields.event === undefined || fields.event === 'done' ? 'result' : 'event', fields }
}

/** An error code that only a newer daemon knows becomes `internal`. */
function errorOf(value: unknown): ShoalError {
  const checked = v.safeParse(told, value)
  const { code = '', message = 'an error without a message', hint } = checked.success ? checked.output : {}
  return new ShoalError(isErrorCode(code) ? code : 'internal', message, hint === undefined ? {} : { hint })
}
