/**
 * A lineage lists the older contents that a content replaces, signed by the node that published them.
 *
 * A node that shares a changed path again signs that the new content replaces those it shared from that path before. A
 * node that fetched an older version may then replace its files without `--overwrite`. Every node that fetches the
 * content keeps the lineage and sends it along with the manifest, so any holder can supply it.
 *
 * The publisher of a content is the signer of the lineage that came with its manifest. A lineage is valid for an older
 * content only when both have the same publisher: a member cannot declare that its content replaces somebody else's.
 */
import { contentIdCodec, list, nodeIdCodec, struct, type Decoded } from './codec/codec.ts'
import { SIGNATURE_BYTES, signature } from './common.ts'
import { ID_BYTES } from '../base/ids.ts'

/** Older versions that a lineage lists. Replacing a version older than these takes `--overwrite`. */
export const REPLACES_MAX = 32

export const LINEAGE_DOMAIN = 'shoal/lineage/1'

const replaces = list(contentIdCodec, REPLACES_MAX)

/** The bytes that the signature covers, after its domain. */
export const lineageClaim = struct({ content: contentIdCodec, replaces })

/** `replaces` has the latest version first. */
export const lineage = struct({ publisher: nodeIdCodec, replaces, signature })
export type Lineage = Decoded<typeof lineage>
/** The count of the list takes one byte. */
export const LINEAGE_BYTES_MAX = ID_BYTES + 1 + REPLACES_MAX * ID_BYTES + SIGNATURE_BYTES
