/** ring and ring.lookup. */
import { ShoalError } from '../../../base/errors.ts'
import { contentKey, isId, peerIdText, placeOf, type ContentId, type Key, type NodeId } from '../../../base/ids.ts'
import { nodeIdFromText } from '../../../base/ids.ts'
import { sha256Hex, utf8 } from '../../../base/bytes.ts'
import type { Handlers } from '../server.ts'
import { nameOf } from '../../node/member-names.ts'
import type { Services } from '../services.ts'

/** Over the ring's own deadline of a lookup. */
const LOOKUP_MS = 30_000

export function ringHandlers(services: Services): Pick<Handlers, 'ring' | 'ring.lookup'> {
  const who = (id: NodeId): { id: string; name: string } => ({
    ...{ id: peerIdText(id), name: nameOf(id, services.runtime().view.membership.member(id)) }
  })
  const placed = (id: NodeId): { id: string; name: string; key: string } => ({ ...who(id), key: placeOf(id) })
  return {
    ring: async () => {
      const { self, view } = services.runtime()
      const { joined, predecessors, successors, routes } = view.ring.tables()
      const [predecessor] = predecessors
      return {
        ...{ id: peerIdText(self), key: placeOf(self), joined },
        predecessor: predecessor === undefined ? null : placed(predecessor.id),
        successors: successors.map(({ id }) => placed(id)),
        fingers: routes.map(({ id }) => placed(id)),
        records: view.records.counters().stored
      }
    },
    'ring.lookup': async ({ key }, { signal }) => {
      const runtime = services.runtime()
      const wanted = keyOfText(key)
      const startedMs = performance.now()
      let request: number | undefined
      const answer = await runtime.when({
        signal: AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS)]),
        act: () => {
          request = runtime.call((node, at) => node.ring.lookup(wanted, at))
        },
        pick: ({ room, event }) =>
          room === 'ring' && (event.kind === 'found' || event.kind === 'lost') && event.request === request
            ? event
            : undefined
      })
      if (answer.kind === 'lost') {
        throw new ShoalError('timeout', `no owner of ${wanted} answered: ${answer.reason}`, {
          hint: 'the ring may be mending; try again'
        })
      }
      return {
        ...{ key: wanted, owner: who(answer.owner.id), hops: answer.hops, path: answer.path.map(({ id }) => who(id)) },
        ms: Math.round((performance.now() - startedMs) * 10) / 10
      }
    }
  }
}

/** A content ID or key as it stands; a peer ID's place; of anything else the SHA-256. */
function keyOfText(text: string): Key {
  if (isId(text)) return contentKey(text as ContentId)
  const node = nodeIdFromText(text)
  return node === undefined ? (sha256Hex(utf8(text)) as Key) : placeOf(node)
}
