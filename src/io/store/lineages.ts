/**
 * Lineage claims (wire/lineage.ts): which contents a content replaces. The state database has at most one claim per
 * content. Claims from other nodes are verified before they are stored.
 */
import type { ContentId } from '../../base/ids.ts'
import type { Signer, Verifier } from '../../core/machine.ts'
import { encode, tryDecode } from '../../wire/codec/codec.ts'
import { LINEAGE_DOMAIN, REPLACES_MAX, lineage, lineageClaim, type Lineage } from '../../wire/lineage.ts'
import type { StateDb } from '../state/db.ts'
import { mustBeStored } from './catalogue.ts'

const PREFIX = 'store/lineage/'

export interface Publisher {
  readonly signer: Signer
  readonly verifier: Verifier
}

export class Lineages {
  private readonly db: StateDb
  private readonly publisher: Publisher | undefined
  private readonly known = new Map<ContentId, Lineage>()

  /** Without a publisher no claim is signed or accepted, so no content replaces another. */
  constructor(db: StateDb, publisher: Publisher | undefined) {
    this.db = db
    this.publisher = publisher
    for (const [key, value] of db.scan(PREFIX)) {
      const found = tryDecode(lineage, value)
      if (found !== undefined) this.known.set(key.slice(PREFIX.length) as ContentId, found)
    }
  }

  /** Whether the publisher of `older` has signed that `newer` replaces it. */
  replaces(newer: ContentId, older: ContentId): boolean {
    const [of, before] = [this.known.get(newer), this.known.get(older)]
    return of !== undefined && of.publisher === before?.publisher && of.replaces.includes(older)
  }

  /** The claim to send with the manifest; empty when there is none. */
  encoded(content: ContentId): Uint8Array {
    const known = this.known.get(content)
    return known === undefined ? new Uint8Array(0) : encode(lineage, known)
  }

  /**
   * Stores a claim from any source. Ignores a malformed one and one with a wrong signature. Durable when it resolves.
   */
  async accept(content: ContentId, bytes: Uint8Array): Promise<void> {
    const found = tryDecode(lineage, bytes)
    if (found === undefined || this.publisher === undefined) return
    const claim = encode(lineageClaim, { content, replaces: found.replaces })
    if (this.publisher.verifier.verify(found.publisher, LINEAGE_DOMAIN, claim, found.signature))
      await this.set(content, found)
  }

  /**
   * Signs that `content` replaces the contents in `before` and those that they replaced. When there are none, an
   * existing claim is kept. Durable when it resolves. Throws ShoalError 'disk-full' or 'internal'.
   */
  async publish(content: ContentId, before: readonly ContentId[]): Promise<void> {
    if (this.publisher === undefined) return
    const { signer } = this.publisher
    const chains = [...before, content].flatMap(id => {
      const known = this.known.get(id)
      return known?.publisher === signer.id ? known.replaces : []
    })
    const replaces = [...new Set([...before, ...chains])].filter(id => id !== content).slice(0, REPLACES_MAX)
    if (replaces.length === 0 && this.known.has(content)) return
    const signature = signer.sign(LINEAGE_DOMAIN, encode(lineageClaim, { content, replaces }))
    await this.set(content, { publisher: signer.id, replaces, signature })
  }

  /** Durable when it resolves. Throws as publish. */
  async delete(content: ContentId): Promise<void> {
    if (!this.known.has(content)) return
    mustBeStored(await this.db.put(PREFIX + content, undefined))
    this.known.delete(content)
  }

  private async set(content: ContentId, value: Lineage): Promise<void> {
    mustBeStored(await this.db.put(PREFIX + content, encode(lineage, value)))
    this.known.set(content, value)
  }
}
