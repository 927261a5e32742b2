/**
 * What Shoal itself put under a name, for other contents at the same place.
 *
 * Their files may be replaced by a content only when it is a newer version of the same published thing, as its publisher says
 * (lineages.ts). Two contents that merely share a name are strangers.
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

/** Whether both stand under one name in one folder. */
export function samePlace(one: Holding, other: Holding): boolean {
  return one.kind === 'download' && other.kind === 'download' && one.root === other.root && one.top[0] === other.top[0]
}

/** By path below the root, of those contents that `counts` says; one manifest at a time is in memory. */
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
