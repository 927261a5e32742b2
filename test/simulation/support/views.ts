/** Whether all live nodes see the same membership. */
import type { Member } from '../../../src/core/membership/member.ts'
import type { Membership } from '../../../src/core/membership/membership.ts'
import type { SimNode } from '../../../src/sim/node.ts'
import type { Address } from '../../../src/wire/common.ts'

/** The first difference between views. Undefined when all live nodes see the same live members and no others. */
export function viewsDiffer<N>(
  nodes: ReadonlyArray<SimNode<N>>,
  membershipOf: (machine: N) => Membership
): string | undefined {
  for (const observer of nodes.filter(node => node.isUp)) {
    for (const node of nodes) {
      if (node === observer) continue
      const seen = membershipOf(observer.machine).member(node.id)
      const problem = node.isUp
        ? difference(seen, membershipOf(node.machine).member(node.id), node.address)
        : ghost(seen)
      if (problem !== undefined) return `${observer.name} about ${node.name}: ${problem}`
    }
  }
  return undefined
}

function ghost(seen: Member | undefined): string | undefined {
  return seen?.state === 'alive' || seen?.state === 'suspect' ? `${seen.state}, but it is down` : undefined
}

function difference(seen: Member | undefined, own: Member | undefined, address: Address): string | undefined {
  if (own === undefined) return 'it has no alive claim of its own'
  if (seen === undefined) return 'unknown'
  if (seen.state !== 'alive') return `${seen.state} ${seen.incarnation}, but it is alive with ${own.incarnation}`
  if (seen.incarnation !== own.incarnation) return `incarnation ${seen.incarnation}, not ${own.incarnation}`
  if (seen.address.host !== address.host) return `at ${seen.address.host}, not at ${address.host}`
  return undefined
}
