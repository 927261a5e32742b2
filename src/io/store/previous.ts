/**
 * Files that Shoal created for other contents at the same place.
 *
 * A content may replace files of another one only when the publisher has signed that it replaces that content
 * (lineages.ts). An equal name is not enough.
 */
import type { ContentId } from '../../base/ids.ts'
import { pathOf } from '../../wire/bittorrent/metainfo.ts'
import type { Catalogue, Holding } from './catalogue.ts'
import type { Manifests } from './manifests.ts'
import { FileStats, type Seen } from './files/stats.ts'

export interface PlaceParts {
  readonly catalogue: Catalogue
  readonly manifests: Manifests
  readonly seenPath: (content: ContentId) => string
}

/** Whether two downloads have the same name in the same folder. */
export function samePlace(one: Holding, other: Holding): boolean {
  return one.kind === 'download' && other.kind === 'download' && one.root === other.root && one.top[0] === other.top[0]
}

/** The recorded files at the place of `holding`, by path below the root, of all other contents that pass `counts`. */
export async function filesAtPlace(
  holding: Holding,
  parts: PlaceParts,
  counts: (other: ContentId) => boolean
): Promise<Map<string, Seen>> {
  const found = new Map<string, Seen>()
  for (const other of parts.catalogue.all()) {
    if (other.content === holding.content || !samePlace(other, holding) || !counts(other.content)) continue
    const held = await parts.manifests.get(other.content)
    if (held === undefined) continue
    const seen = await FileStats.load(parts.seenPath(other.content), held.manifest.files.length)
    held.manifest.files.forEach((file, index) => {
      const one = seen?.get(index)
      const below = held.manifest.singleFile ? [] : pathOf(file)
      if (one !== undefined) found.set([...other.top, ...below].join('/'), one)
    })
  }
  return found
}
