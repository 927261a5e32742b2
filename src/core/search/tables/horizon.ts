/** Estimates how many nodes a query reaches, from the number of members and the degrees of the neighbours. */

export interface Graph {
  /** Number of nodes. */
  readonly nodes: number
  /** Average number of neighbours of a node. */
  readonly degree: number
}

/**
 * Expected number of nodes within `ttl` hops of a node through `links` of its neighbours, without the node itself. It
 * assumes a random graph: the other end of an unused link is any free end, of an unreached node or of a reached one,
 * with equal probability.
 */
export function reachedBy({ nodes, degree }: Graph, links: number, ttl: number): number {
  let unreached = Math.max(0, nodes - 1)
  let leading = links
  for (let hop = 0; hop < ttl && leading > 0 && unreached > 0; hop++) {
    const open = unreached * degree
    const hit = leading / (open + leading)
    const met = unreached * (1 - (1 - hit) ** degree)
    leading = Math.max(0, met * degree - hit * open)
    unreached -= met
  }
  return nodes - 1 - unreached
}
