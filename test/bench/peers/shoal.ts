/** Two daemons of one overlay; the cost of the command counts for the side that it asks. */
import fs from 'node:fs'
import type { Contender } from '../contender.ts'
import { startGroup, type Node } from '../nodes.ts'
import type { Workshop } from '../workshop.ts'

export function shoal(workshop: Workshop): Contender {
  let pair: Promise<Node[]> | undefined
  return {
    name: 'shoal',
    missing: undefined,
    async offer(source) {
      const [giver, taker] = (await (pair ??= startGroup(workshop, 2, 'lan'))) as [Node, Node]
      forgetHashes(source)
      const startMs = performance.now()
      const { shares } = await giver.ask('share', { paths: [source] })
      const readySeconds = (performance.now() - startMs) / 1_000
      const id = shares[0]?.id ?? ''
      return {
        ...{ giving: [giver.pid], taking: [taker.pid], readySeconds },
        fetch: into => taker.command('get', id, '-o', into),
        async end() {
          await taker.ask('rm', { id, yes: true }).catch(() => undefined)
          await giver.ask('rm', { id, yes: true })
        }
      }
    }
  }
}

/** A file of another time is hashed anew. */
function forgetHashes(source: string): void {
  const files = fs.statSync(source).isFile()
    ? [source]
    : fs.readdirSync(source, { recursive: true, encoding: 'utf8' }).map(name => `${source}/${name}`)
  const now = new Date()
  for (const file of files) fs.utimesSync(file, now, now)
}
