/**
 * Which contents replace which (wire/lineage.ts): one claim for each content that is held, in the state database. Claims of
 * others were verified before they were kept.
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

  /** Without a publisher nothing is signed, nothing verified, and so nothing replaces anything. */
  constructor(db: StateDb, publisher: Publisher | undefined) {
    this.db = db
    this.publisher = publisher
    for (const [key, value] of db.scan(PREFIX)) {
      const found = tryDecode(lineage, value)
      if (found !== undefined) this.known.set(key.slice(PREFIX.length) as ContentId, found)
    }
  }

  /** Whether whoever published `older` says that `newer` replaces it. */
  replaces(newer: ContentId, older: ContentId): boolean {
    const [of, before] = [this.known.get(newer), this.known.get(older)]
    return of !== undefined && of.publisher === before?.publisher && of.replaces.includes(older)
  }

  /** To be sent with the manifest; empty when there is none. */
  encoded(content: ContentId): Uint8Array {
    const known = this.known.get(content)
    return known === undefined ? new Uint8Array(0) : encode(lineage, known)
  }

  /** A claim from anywhere. One that is malformed or not signed by its publisher is ignored. Durable when it returns. */
  async accept(content: ContentId, bytes: Uint8Array): Promise<void> {
    const found = tryDecode(lineage, bytes)
    if (found === undefined || this.publisher === undefined) return
    const claim = encode(lineageClaim, { content, replaces: found.replaces })
    if (this.publisher.verifier.verify(found.publisher, LINEAGE_DOMAIN, claim, found.signature))
      await this.set(content, found)
  }

  /**
   * Signs that `content` replaces `before`, and what those replaced. Without any, an earlier claim about it stands. Durable
   * when it returns. Throws ShoalError 'disk-full' or 'internal'.
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

  /** Durable when it returns. Throws as publish. */
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
