/**
 * Records every search of a run: its origin, its query, the indexes that were asked, its messages, its results and
 * its end. Queries on the wire are identified by their minimum size: every search has its own, smaller than any file.
 */
import { expectDefined } from '../../../src/base/assert.ts'
import type { Hit, SearchEvent, SearchId, SearchOptions, SearchReport } from '../../../src/core/search/contract.ts'
import type { ContentId, NodeId } from '../../../src/base/ids.ts'
import type { DescriptorId, SearchMessage, SearchQuery } from '../../../src/wire/gnutella/search.ts'
import type { Random } from '../../../src/base/random.ts'
import { hex } from '../../../src/base/bytes.ts'
import { FILE_BYTES_MIN, type Library } from './library.ts'
import type { SearchNode, SearchWorld, Tap } from './world.ts'

export interface Asked {
  readonly serial: number
  readonly origin: SearchNode
  readonly boot: number
  readonly query: SearchQuery
  readonly options: SearchOptions
  readonly askedMs: number
  readonly hits: Array<{ readonly hit: Hit; readonly atMs: number }>
  ended: { readonly report: SearchReport; readonly atMs: number } | undefined
  /** The nodes that received a copy, without the origin. */
  readonly reached: Set<SearchNode>
  /** The number of lookups in each node's index. */
  readonly heard: Map<SearchNode, number>
  /** The number of queries and hits that all nodes sent. */
  queries: number
  answers: number
}

export class Searches implements Tap {
  readonly all: Asked[] = []
  private readonly world: SearchWorld
  private readonly library: Library
  private readonly byHandle = new Map<string, Asked>()
  private readonly byDescriptor = new Map<DescriptorId, Asked>()

  constructor(world: SearchWorld, library: Library) {
    this.world = world
    this.library = library
  }

  /** Starts a search at the node, which must be up. */
  ask(origin: SearchNode, text: string, options: Partial<SearchOptions> = {}, content?: ContentId): Asked {
    const serial = this.all.length + 1
    if (serial >= FILE_BYTES_MIN) throw new RangeError('a run has fewer searches than a file has bytes')
    const query: SearchQuery = { text, content, filter: { type: undefined, minBytes: serial, maxBytes: undefined } }
    const asked: Asked = {
      ...{
        serial,
        origin,
        boot: origin.boots,
        query,
        askedMs: this.world.timeMs,
        heard: new Map(),
        reached: new Set()
      },
      options: { limit: 50, timeoutMs: 10_000, trace: false, ...options },
      ...{ hits: [], ended: undefined, queries: 0, answers: 0 }
    }
    this.all.push(asked)
    this.world.call(origin, (machine, now) => {
      this.byHandle.set(handle(origin, machine.search(query, asked.options, now)), asked)
    })
    return asked
  }

  cancel(asked: Asked): void {
    const [id] = [...this.byHandle].find(([, one]) => one === asked) ?? []
    if (id === undefined || asked.origin.boots !== asked.boot) return
    const search = Number(id.split(' ').at(-1)) as SearchId
    this.world.call(asked.origin, (machine, now) => machine.cancel(search, now))
  }

  of(query: SearchQuery): Asked | undefined {
    return this.all[(query.filter.minBytes ?? 0) - 1]
  }

  ofDescriptor(id: DescriptorId): Asked | undefined {
    return this.byDescriptor.get(id)
  }

  /** Called when a node's index is asked. */
  matching(node: SearchNode, query: SearchQuery): void {
    const asked = this.of(query)
    asked?.heard.set(node, (asked.heard.get(node) ?? 0) + 1)
  }

  sent(_node: SearchNode, _to: NodeId, message: SearchMessage): void {
    if (message.kind === 'query') {
      const asked = this.of(message.query)
      if (asked === undefined) return
      asked.queries++
      this.byDescriptor.set(message.id, asked)
    } else if (message.kind === 'query-hit') {
      const asked = this.byDescriptor.get(message.id)
      if (asked !== undefined) asked.answers++
    }
  }

  received(node: SearchNode, _from: NodeId, message: SearchMessage): void {
    if (message.kind !== 'query') return
    const asked = this.of(message.query)
    if (node !== asked?.origin) asked?.reached.add(node)
  }

  emitted(node: SearchNode, event: SearchEvent): void {
    if (event.kind !== 'hit' && event.kind !== 'ended') return
    const asked = expectDefined(
      this.byHandle.get(handle(node, event.search)),
      'events belong to searches that were started'
    )
    const { world } = this
    const what = `search ${asked.serial} of ${node.name}`
    world.require(asked.ended === undefined, 'ends-once', `${what} has a ${event.kind} after its end`)
    if (event.kind === 'hit') {
      this.checkHit(asked, event.hit)
      asked.hits.push({ hit: event.hit, atMs: world.timeMs })
    } else asked.ended = { report: event.report, atMs: world.timeMs }
  }

  /** Checks that the holder has all results, that they match the query, and that none was reported before. */
  private checkHit({ serial, origin, query, hits }: Asked, { holder, results }: Hit): void {
    const { world, library } = this
    const node = world.nodeOf(holder.id)
    const right = node === undefined ? [] : library.match(node.index, query, Infinity).map(({ content }) => content)
    const wrong = results.find(({ content }) => !right.includes(content))
    const what = `search ${serial} of ${origin.name} gets from ${node?.name ?? holder.id} the result`
    world.require(wrong === undefined, 'honest-hits', `${what} ${wrong?.name}`)
    const before = hits.filter(({ hit }) => hit.holder.id === holder.id).flatMap(({ hit }) => hit.results)
    const again = results.find(({ content }) => before.some(one => one.content === content))
    world.require(again === undefined, 'honest-hits', `${what} ${again?.name} twice`)
  }
}

/** Draws a descriptor id, as a node does. */
export function drawId(random: Random): DescriptorId {
  return hex(random.bytes(16)) as DescriptorId
}

/** The id of an unknown content. */
export function drawContent(random: Random): ContentId {
  return hex(random.bytes(32)) as ContentId
}

function handle(node: SearchNode, search: SearchId): string {
  return `${node.index} ${node.boots} ${search}`
}

/** Whether a node other than the origin answered. */
export function succeeded(asked: Asked): boolean {
  return asked.hits.some(({ hit }) => hit.holder.id !== asked.origin.id)
}

/** The time until the first answer of a node other than the origin; undefined without one. */
export function firstHitMs(asked: Asked): number | undefined {
  const first = asked.hits.find(({ hit }) => hit.holder.id !== asked.origin.id)
  return first === undefined ? undefined : first.atMs - asked.askedMs
}
