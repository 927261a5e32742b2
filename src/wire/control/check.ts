/** Values from the other side of the socket, checked against the schema of a method. */
import * as v from 'valibot'
import { ShoalError } from '../../base/errors.ts'
import { typeText } from './describe.ts'
import type { Infer, Method, Schema } from './schema.ts'

/** The parameters of a call. Throws ShoalError `usage` that names the field and says what it takes. */
export function paramsOf<M extends Method>(name: string, { params }: M, body: unknown): Infer<M['params']> {
  const schema: M['params'] = params
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ShoalError('usage', `${name} takes a JSON object`)
  }
  const known = Object.keys(schema.entries)
  const unknown = Object.keys(body).find(key => !known.includes(key))
  if (unknown !== undefined) {
    const hint = known.length === 0 ? `${name} takes no parameters` : `parameters of ${name}: ${known.join(', ')}`
    throw new ShoalError('usage', `${name} has no parameter ${JSON.stringify(unknown.slice(0, 80))}`, { hint })
  }
  const checked = v.safeParse(schema, body)
  if (checked.success) return checked.output
  const path = (checked.issues[0].path ?? []).map(({ key }) => String(key))
  const field = schema.entries[path[0] ?? '']
  const wanted = field === undefined ? 'another value' : typeText(field)
  throw new ShoalError('usage', `${name} needs "${path[0] ?? ''}" as ${wanted}`)
}

/** Undefined for an event of a newer daemon. Throws ShoalError `internal` for one that the schema refuses. */
export function eventOf<M extends Method>({ event }: M, line: object): Infer<M['event']> | undefined {
  const schema: M['event'] = event
  const checked = v.safeParse(schema, line)
  if (checked.success) return checked.output
  // The discriminator itself is what no option of the union has.
  if (checked.issues[0].type === 'variant') return undefined
  throw misfit(checked.issues)
}

/** Throws ShoalError `internal`. */
export function resultOf<M extends Method>({ result }: M, line: object): Infer<M['result']> {
  return valueOf<M['result']>(result, line)
}

/** Throws ShoalError `internal` for what the schema refuses. */
export function valueOf<S extends Schema>(schema: S, value: unknown): Infer<S> {
  const checked = v.safeParse(schema, value)
  if (checked.success) return checked.output
  throw misfit(checked.issues)
}

/** The other side has another schema. */
export function misfit(issues: ReadonlyArray<v.BaseIssue<unknown>> = []): ShoalError {
  const [issue] = issues
  const where = issue?.path === undefined ? '' : `: ${issue.path.map(({ key }) => String(key)).join('.')}`
  return new ShoalError('internal', `this version of shoal cannot read the daemon's answer${where}`, {
    hint: 'client and daemon must have the same version: shoal stop, then start the daemon again'
  })
}
