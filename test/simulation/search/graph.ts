/** The current graph of neighbours. It has an edge where both ends have each other as neighbours. */
import type { SearchNode } from './world.ts'

export type Graph = ReadonlyMap<SearchNode, readonly SearchNode[]>

export function graphOf(nodes: readonly SearchNode[]): Graph {
  const up = nodes.filter(node => node.process !== 'off')
  const byId = new Map(up.map(node => [node.id, node]))
  const named = new Map(up.map(node => [node, new Set(node.machine.neighbours().map(({ id }) => id))]))
  const edges = (node: SearchNode): SearchNode[] =>
    [...named.get(node)!].flatMap(id => {
      const other = byId.get(id)
      return other !== undefined && named.get(other)!.has(node.id) ? [other] : []
    })
  return new Map(up.map(node => [node, edges(node)]))
}

/** The hops from `origin` to every node that it reaches, including itself with 0. */
export function hopsFrom(graph: Graph, origin: SearchNode): Map<SearchNode, number> {
  const hops = new Map([[origin, 0]])
  for (const [node, distance] of hops) {
    for (const next of graph.get(node) ?? []) if (!hops.has(next)) hops.set(next, distance + 1)
  }
  return hops
}

/** The sizes of the components, the largest first. */
export function components(graph: Graph): number[] {
  const seen = new Set<SearchNode>()
  const sizes: number[] = []
  for (const node of graph.keys()) {
    if (seen.has(node)) continue
    const reached = hopsFrom(graph, node)
    for (const one of reached.keys()) seen.add(one)
    sizes.push(reached.size)
  }
  return sizes.sort((a, b) => b - a)
}

export function degrees(graph: Graph): number[] {
  return [...graph.values()].map(neighbours => neighbours.length)
}

/** Why a settled graph is invalid; undefined when it is valid. */
export function disorder(
  graph: Graph,
  { degreeMin, degreeMax }: { degreeMin: number; degreeMax: number }
): string | undefined {
  const parts = components(graph)
  if (parts.length > 1) return `${parts.length} components: ${parts.slice(0, 5).join(', ')}`
  const least = Math.min(degreeMin, graph.size - 1)
  for (const [node, { length }] of graph) {
    if (length < least || length > degreeMax) return `${node.name} has ${length} neighbours`
  }
  return undefined
}
