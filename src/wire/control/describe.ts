/**
 * A schema in words: what a value may be, and the fields of an object with the sentence that documents each. Messages of refused
 * calls and `shoal help api` are made of it.
 */
import type { Schema } from './schema.ts'

/** Of a valibot schema, what is read here. */
interface Node {
  readonly type: string
  readonly entries?: Readonly<Record<string, Node>>
  readonly item?: Node
  readonly value?: Node
  readonly wrapped?: Node
  readonly options?: ReadonlyArray<Node | string>
  readonly literal?: unknown
  readonly pipe?: readonly Step[]
}
interface Step {
  readonly type: string
  readonly requirement?: unknown
  readonly description?: string
}

export interface FieldText {
  /** Dots between levels, `[]` after a list: `transfers[].name`. */
  readonly name: string
  readonly optional: boolean
  /** What it may be. */
  readonly type: string
  /** Empty for an object, whose fields follow. */
  readonly about: string
}

/** The fields of an object, of the objects in it, and of those in its lists. The alternatives of a union follow each other. */
export function fieldsOf(schema: Schema): FieldText[] {
  return fieldsBelow(schema, '')
}

/** What a value may be: `list of text, at most 1000 items`. */
export function typeText(schema: Schema): string {
  return typeOf(schema)
}

function fieldsBelow(node: Node, prefix: string): FieldText[] {
  const { options, entries = {} } = node
  if (options !== undefined) return options.flatMap(one => (typeof one === 'string' ? [] : fieldsBelow(one, prefix)))
  return Object.entries(entries).flatMap(([key, field]) => {
    const optional = field.type === 'exact_optional'
    const inner = innerOf(field)
    const name = `${prefix}${key}`
    const below = inner.item === undefined ? inner : innerOf(inner.item)
    const deeper = below.entries === undefined ? [] : fieldsBelow(below, `${name}${below === inner ? '' : '[]'}.`)
    return [{ name, optional, type: typeOf(field), about: aboutOf(inner) }, ...deeper]
  })
}

function innerOf(node: Node): Node {
  return node.wrapped === undefined ? node : innerOf(node.wrapped)
}

function aboutOf({ pipe = [] }: Node): string {
  return pipe.find(step => step.type === 'description')?.description ?? ''
}

function requirement({ pipe = [] }: Node, type: string): string | undefined {
  const found = pipe.find(step => step.type === type)?.requirement
  return typeof found === 'number' ? String(found) : undefined
}

function typeOf(node: Node): string {
  switch (node.type) {
    case 'string':
      return limited('text', requirement(node, 'max_length'), 'characters')
    case 'boolean':
      return 'true or false'
    case 'number':
      return numberText(node)
    case 'literal':
      return JSON.stringify(node.literal)
    case 'picklist':
      return `one of ${(node.options ?? []).map(String).join(', ')}`
    case 'array':
      return limited(`list of ${below(node.item)}`, requirement(node, 'max_length'), 'items')
    case 'record':
      return `object of ${below(node.value)}`
    case 'object':
      return 'object'
    case 'nullable':
      return `${below(node.wrapped)} or null`
    case 'exact_optional':
      return below(node.wrapped)
    case 'union':
    case 'variant':
      return (node.options ?? []).map(one => (typeof one === 'string' ? one : typeOf(one))).join(' or ')
    default:
      return node.type
  }
}

function below(node: Node | undefined): string {
  return node === undefined ? 'anything' : typeOf(node)
}

function limited(what: string, max: string | undefined, unit: string): string {
  return max === undefined ? what : `${what}, at most ${max} ${unit}`
}

function numberText(node: Node): string {
  const isWhole = node.pipe?.some(({ type }) => type === 'integer' || type === 'safe_integer') === true
  const [min, max] = [requirement(node, 'min_value'), requirement(node, 'max_value')]
  return `${isWhole ? 'whole number' : 'number'} from ${min ?? '0'}${max === undefined ? '' : ` to ${max}`}`
}
