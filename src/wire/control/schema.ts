/**
 * The vocabulary in which the control API is described. A schema gives a value's type, checks it at run time, and carries the
 * sentence that documents it (`shoal help api`). valibot does the work; no other folder of the pure floors may import it.
 *
 * Both sides use one schema: the server checks parameters strictly and refuses unknown names, the client checks events and
 * results and drops fields that it does not know, so that a newer daemon may add some.
 */
import * as v from 'valibot'

export type Schema = v.GenericSchema
export type Infer<S extends Schema> = v.InferOutput<S>
type Entries = Record<string, Schema>

/** Of a duration in milliseconds: the longest that a timer takes, 24 days. */
export const DURATION_MS_MAX = 2 ** 31 - 1

/** A text of any length. Parameters use `textUpTo`. */
export const text = (about: string) => v.pipe(v.string(), v.description(about))

/** `lengthMax` counts UTF-16 code units. */
export const textUpTo = (lengthMax: number, about: string) =>
  v.pipe(v.string(), v.maxLength(lengthMax), v.description(about))

export const flag = (about: string) => v.pipe(v.boolean(), v.description(about))

/** An integer from 0 on, as far as numbers are exact. */
export const whole = (about: string) => v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.description(about))

export const wholeFrom = ({ min, max }: { min: number; max: number }, about: string) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max), v.description(about))

/** A finite number from 0 on: a rate, or seconds. */
export const amount = (about: string) => v.pipe(v.number(), v.finite(), v.minValue(0), v.description(about))

/** For a parameter, in milliseconds. */
export const duration = (about: string) => wholeFrom({ min: 0, max: DURATION_MS_MAX }, about)

export const oneOf = <const T extends readonly string[]>(values: T, about: string) =>
  v.pipe(v.picklist(values), v.description(about))

export const literal = <const T extends boolean | string>(value: T, about: string) =>
  v.pipe(v.literal(value), v.description(about))

/** Of any length. Parameters use `listUpTo`. */
export const list = <S extends Schema>(item: S, about: string) => v.pipe(v.array(item), v.description(about))

export const listUpTo = <S extends Schema>(lengthMax: number, item: S, about: string) =>
  v.pipe(v.array(item), v.maxLength(lengthMax), v.description(about))

export const row = <const E extends Entries>(entries: E) => v.object(entries)

/** Values under names that are not known beforehand. */
export const dictionary = <S extends Schema>(value: S, about: string) =>
  v.pipe(v.record(v.string(), value), v.description(about))

/** A field that may be absent. */
export const maybe = <S extends Schema>(schema: S) => v.exactOptional(schema)

export const orNull = <S extends Schema>(schema: S) => v.nullable(schema)

export const either = <const S extends readonly [Schema, Schema]>(...schemas: S) => v.union(schemas)

/** A line before the answer, known by its field `event`. */
export const event = <const N extends string, const E extends Entries>(name: N, entries: E) =>
  v.object({ event: v.literal(name), ...entries })

type EventSchema = v.ObjectSchema<Entries & { readonly event: v.LiteralSchema<string, undefined> }, undefined>
type Events = readonly EventSchema[]

/** A method of the API. */
export interface Method<P extends Entries = Entries, E extends Events = Events, R extends Schema = Schema> {
  readonly about: string
  readonly params: v.ObjectSchema<P, undefined>
  /** The lines before the answer. */
  readonly event: v.VariantSchema<'event', E, undefined>
  readonly result: R
}

export function method<const P extends Entries, const E extends Events, const R extends Schema>(
  about: string,
  { params, events, result }: { params: P; events: E; result: R }
): Method<P, E, R> {
  return { about, params: v.object(params), event: v.variant('event', events), result }
}

export type Api = Readonly<Record<string, Method>>
export type ParamsIn<A extends Api, M extends keyof A> = Infer<A[M]['params']>
export type EventIn<A extends Api, M extends keyof A> = Infer<A[M]['event']>
export type ResultIn<A extends Api, M extends keyof A> = Infer<A[M]['result']>
