/**
 * Which contents a content replaces, signed by the node that published both.
 *
 * A node that shares a path again after it changed signs that the new content replaces the ones that it shared from that path
 * before. Whoever fetched an older one may then replace those files without being told to. The claim is kept by every node that
 * fetches the content, and passed on with the manifest, so that it can be had from any holder.
 *
 * A content is published by whoever signed the claim that came with its manifest. A claim counts for an older content only
 * when its publisher is the same: a member cannot declare that its content replaces somebody else's.
 */
import { contentIdCodec, list, nodeIdCodec, struct, type Decoded } from './codec/codec.ts'
import { SIGNATURE_BYTES, signature } from './common.ts'
import { ID_BYTES } from '../base/ids.ts'

/** Versions back. Who has an older one must say `--overwrite`. */
export const REPLACES_MAX = 32

export const LINEAGE_DOMAIN = 'shoal/lineage/1'

const replaces = list(contentIdCodec, REPLACES_MAX)

/** What the signature covers, after its domain. */
export const lineageClaim = struct({ content: contentIdCodec, replaces })

/** The latest first. */
export const lineage = struct({ publisher: nodeIdCodec, replaces, signature })
export type Lineage = Decoded<typeof lineage>
/** The length of the list takes one byte. */
export const LINEAGE_BYTES_MAX = ID_BYTES + 1 + REPLACES_MAX * ID_BYTES + SIGNATURE_BYTES
