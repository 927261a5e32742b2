/** What two views owe each other, by one's digest and the other's rows; pure. */
import type { NodeId } from '../../../base/ids.ts'
import { CLAIMS_PER_MESSAGE_MAX, type Claim, type DigestRow } from '../../../wire/membership.ts'
import { isLive, overrides } from '../view/roster.ts'

/** A row of this side: how it stands and what proves it. */
export interface ProvenRow {
  readonly row: DigestRow
  readonly proof: () => Claim[]
}

export interface Difference {
  /** What the other side lacks, row by row. */
  readonly give: Claim[][]
  /** What this side lacks. */
  readonly want: NodeId[]
}

/**
 * Who is gone is told only to a side that still lists it, and not asked for by one that forgot it: else two sides would hand each
 * other the dead for ever, each time with a new day to be remembered.
 */
export function difference(theirs: readonly DigestRow[], mine: ReadonlyMap<NodeId, ProvenRow>): Difference {
  const give: Claim[][] = []
  const want: NodeId[] = []
  const listed = new Set<NodeId>()
  for (const row of theirs) {
    if (listed.has(row.id)) continue
    listed.add(row.id)
    const own = mine.get(row.id)
    if (own === undefined) {
      if (isLive(row.state)) want.push(row.id)
    } else if (overrides(row, own.row)) want.push(row.id)
    else if (overrides(own.row, row)) give.push(own.proof())
  }
  for (const { row, proof } of mine.values()) {
    if (!listed.has(row.id) && isLive(row.state)) give.push(proof())
  }
  return { give, want }
}

/** Proofs in messages of at most CLAIMS_PER_MESSAGE_MAX claims; what proves one row stays together. */
export function chunked(proofs: readonly Claim[][]): Claim[][] {
  const chunks: Claim[][] = []
  let chunk: Claim[] = []
  for (const proof of proofs) {
    if (chunk.length + proof.length > CLAIMS_PER_MESSAGE_MAX) {
      chunks.push(chunk)
      chunk = []
    }
    for (const claim of proof) chunk.push(claim)
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}
