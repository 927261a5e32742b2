/**
 * Malicious members that send invalid messages at random times: hits without a valid signature of their holder, or
 * signed for another search; queries and answers with a too large TTL; unrequested answers; invalid route tables;
 * handshake messages in the wrong state. None of these may reach an owner or break a machine.
 */
import { expectDefined } from '../../../src/base/assert.ts'
import { hitPages, type DescriptorId, type QueryHit, type SearchMessage } from '../../../src/wire/gnutella/search.ts'
import { drawId } from './searches.ts'
import type { Tap, SearchNode } from './world.ts'
import type { Stage } from './stage.ts'
import type { NodeId } from '../../../src/base/ids.ts'

/** The number of recent hits that are kept as material for forgeries. */
const GENUINE_MAX = 32

export class Liars implements Tap {
  private readonly stage: Stage
  private readonly genuine: QueryHit[] = []
  private readonly queryIds: DescriptorId[] = []
  private lying = false

  constructor(stage: Stage) {
    this.stage = stage
    stage.net.taps.push(this)
  }

  received(): void {
    // Recorded at the sender.
  }

  sent(_node: SearchNode, _to: NodeId, message: SearchMessage): void {
    if (message.kind === 'query-hit') keep(this.genuine, message)
    if (message.kind === 'query') keep(this.queryIds, message.id)
  }

  lieEvery(everyMs: number): void {
    this.lying = true
    const { world } = this.stage.net
    const next = (): void => {
      if (!this.lying) return
      world.at(world.timeMs + everyMs, next)
      const [victim, liar] = this.stage.random.sample(this.stage.upNodes, 2)
      if (victim === undefined || liar === undefined) return
      const lie = this.draw(victim, liar)
      if (lie !== undefined) {
        world.call(victim, (machine, now) => {
          machine.receive(liar.contact, 'stream', lie, now)
        })
      }
    }
    next()
  }

  stop(): void {
    this.lying = false
  }

  private draw(victim: SearchNode, liar: SearchNode): SearchMessage | undefined {
    const { random } = this.stage
    const anyTtl = { ttl: random.pick([0, 1, 7, 15, 255]) ?? 1, hops: random.pick([0, 1, 14, 15, 255]) ?? 0 }
    const id = drawId(random)
    const content = expectDefined(this.stage.library.results[0], 'there are files').content
    switch (random.below(8)) {
      case 0:
        return this.forgedHit()
      case 1: {
        const query = {
          text: 'forged',
          content: undefined,
          filter: { type: undefined, minBytes: undefined, maxBytes: undefined }
        }
        return { kind: 'query', id, ...anyTtl, query, trace: random.chance(0.5), asked: [] }
      }
      case 2:
        return { kind: 'ping', id, ...anyTtl }
      case 3:
        return {
          kind: 'pong',
          id: random.pick(this.queryIds) ?? id,
          ...anyTtl,
          peer: liar.contact,
          files: 1e9,
          kilobytes: 1e9
        }
      case 4:
        return { kind: 'push', id, ...anyTtl, holder: victim.id, content, requester: liar.contact }
      case 5:
        return { kind: 'route-table', id, ...anyTtl, bits: 14, part: 0, parts: 1, patch: random.bytes(2_048) }
      case 6:
        return { kind: random.pick(['connect', 'accept', 'refuse'] as const) ?? 'connect', degree: random.below(12) }
      default:
        return { kind: 'bye' }
    }
  }

  /** A genuine hit with a changed field, or for another query. */
  private forgedHit(): QueryHit | undefined {
    const { random, library, nodes } = this.stage
    const hit = random.pick(this.genuine)
    if (hit === undefined) return undefined
    const header = { id: random.pick(this.queryIds) ?? hit.id, ttl: 7, hops: random.below(3) }
    const holder = expectDefined(random.pick(nodes), 'there are nodes').contact
    switch (random.below(3)) {
      case 0:
        return { ...hit, ...header }
      case 1:
        return { ...hit, ...header, id: hit.id, holder }
      default: {
        const result = expectDefined(random.pick(library.results), 'there are files')
        return { ...hit, ...header, id: hit.id, page: expectDefined(hitPages([result])[0], 'a page of one result') }
      }
    }
  }
}

function keep<T>(list: T[], one: T): void {
  list.push(one)
  if (list.length > GENUINE_MAX) list.shift()
}
