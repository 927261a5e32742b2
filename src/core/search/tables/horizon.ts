/** How many nodes a query is expected to reach, from what a node knows: the shoal's size and the degrees around it. */

export interface Graph {
  /** Nodes in all. */
  readonly nodes: number
  /** Neighbours of one, on average. */
  readonly degree: number
}

/**
 * Nodes expected within `ttl` hops of a node by way of `links` of its neighbours, itself not counted. The graph is taken for a random
 * one: each end of a link that leads on meets any end of any node not reached yet, or another that leads on, alike.
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
