/** What stands in a folder of a content, as a page or as JSON. Names are anybody's: nothing of them is markup. */
import type { Folder, Manifest } from '../../wire/bittorrent/metainfo.ts'
import { escapeForTerminal } from '../../wire/control/text.ts'

/** A page of more is of no use to anybody. */
export const LISTING_ENTRIES_MAX = 10_000

export interface ListingEntry {
  readonly name: string
  readonly kind: 'file' | 'folder'
  readonly bytes: number
}

export interface Listing {
  /** Folders first, each kind by name. */
  readonly entries: readonly ListingEntry[]
  /** Left out. */
  readonly more: number
}

/** Undefined: the top. Bytes of a folder are those of all below it. */
export function listingOf(manifest: Manifest, folder: Folder | undefined): Listing {
  const folders = new Map<string, number>()
  const files: ListingEntry[] = []
  const count = (inside: Folder | undefined, bytes: number): boolean => {
    const child = childOf(inside, folder)
    if (child !== undefined) folders.set(child.name, (folders.get(child.name) ?? 0) + bytes)
    return inside === folder
  }
  for (const { name, lengthBytes, folder: inside } of manifest.files) {
    if (count(inside, lengthBytes)) files.push({ name, kind: 'file', bytes: lengthBytes })
  }
  for (const empty of manifest.emptyFolders) count(empty, 0)
  const byName = (a: ListingEntry, b: ListingEntry): number => (a.name < b.name ? -1 : 1)
  const all: ListingEntry[] = [
    ...Array.from(folders, ([name, bytes]): ListingEntry => ({ name, kind: 'folder', bytes })).sort(byName),
    ...files.sort(byName)
  ]
  return { entries: all.slice(0, LISTING_ENTRIES_MAX), more: Math.max(0, all.length - LISTING_ENTRIES_MAX) }
}

/** The folder directly in `top` through which `inside` is reached. */
function childOf(inside: Folder | undefined, top: Folder | undefined): Folder | undefined {
  let at = inside
  while (at !== undefined && at.parent !== top) at = at.parent
  return at
}

/** `title` is the content's name and the path below it. */
export function listingPage(title: readonly string[], { entries, more }: Listing): string {
  const heading = text(title.join(' / '))
  const up = title.length > 1 ? '<li><a href="../">..</a></li>\n' : ''
  const rows = entries.map(({ name, kind, bytes }) => {
    const slash = kind === 'folder' ? '/' : ''
    // `./` first: a name may look like the scheme of another URL.
    return `<li><a href="./${encodeURIComponent(name)}${slash}"><bdi>${text(name)}</bdi>${slash}</a> ${bytes} bytes</li>\n`
  })
  const rest = more > 0 ? `<p>${more} more are not shown.</p>\n` : ''
  return `<!doctype html>\n<meta charset="utf-8">\n<title>${heading}</title>\n<h1>${heading}</h1>\n<ul>\n${up}${rows.join('')}</ul>\n${rest}`
}

/** A name without what commands a terminal or hides, and without markup. */
function text(name: string): string {
  return escapeForTerminal(name).replace(/[&<>"']/g, letter => `&#${letter.charCodeAt(0)};`)
}
