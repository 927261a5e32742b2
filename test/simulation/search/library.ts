/**
 * The files of a world: their names of random words, the holders of each, and the queries of users. Popularity follows
 * Zipf's law for copies of files, for files in queries, and for words in names.
 */
import { expectDefined } from '../../../src/base/assert.ts'
import { sha256Hex, utf8 } from '../../../src/base/bytes.ts'
import type { ContentId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import { QrpTable } from '../../../src/wire/gnutella/qrp.ts'
import type { SearchQuery, SearchResult } from '../../../src/wire/gnutella/search.ts'
import { Zipf } from './zipf.ts'

export interface LibrarySettings {
  readonly nodes: number
  readonly files: number
  /** The exponents of the popularity of copies and of queries. */
  readonly copiesExponent: number
  readonly queriesExponent: number
  /** The number of holders of the most popular file. Every file has at least one holder. */
  readonly copiesMax: number
  readonly vocabulary: number
  /** The share of queries without any match. */
  readonly vainShare: number
}

export const LIBRARY_DEFAULTS: LibrarySettings = {
  nodes: 40,
  files: 400,
  copiesExponent: 0.8,
  queriesExponent: 1,
  copiesMax: 40,
  vocabulary: 300,
  vainShare: 0.03
}

const NAME_WORDS_MIN = 2
const NAME_WORDS_MAX = 5
const QUERY_WORDS_MAX = 3
/** Flatter than for running text, because names have fewer frequent words such as `the`. */
const WORDS_EXPONENT = 0.8
const EXTENSIONS = ['avi', 'ogg', 'pdf', 'png', 'txt', 'zip'] as const
const CONSONANTS = 'bdfgklmnprstvz'
const VOWELS = 'aeiou'
/** The smallest size of a file. Filters below it match every file, so `Searches` uses them to identify queries. */
export const FILE_BYTES_MIN = 1 << 20
const FILE_BYTES_MAX = 1 << 30
/** Enough for the few thousand prefixes of a node. A larger table would be folded to the same size. */
const TABLE_BITS_MAX = 17
/** A word that occurs in no name. */
const VAIN_WORD = 'qwx'

export class Library {
  readonly settings: LibrarySettings
  readonly results: readonly SearchResult[]
  /** For each file, the indexes of the nodes that hold it. */
  readonly holders: ReadonlyArray<readonly number[]>
  copies = 0
  private readonly names: ReadonlyArray<readonly string[]>
  private readonly postings = new Map<string, number[]>()
  private readonly filesOf: number[][]
  private readonly popularity: Zipf
  private readonly tables = new Map<number, QrpTable>()
  private readonly found = new Map<string, ReadonlyMap<number, readonly number[]>>()

  constructor(random: Random, settings: Partial<LibrarySettings> = {}) {
    this.settings = { ...LIBRARY_DEFAULTS, ...settings }
    const { nodes, files, copiesExponent, queriesExponent, copiesMax } = this.settings
    this.popularity = new Zipf(files, queriesExponent)
    this.names = drawNames(random, this.settings)
    this.results = this.names.map((words, file) => resultOf(random, words, file))
    this.filesOf = Array.from({ length: nodes }, () => [])
    this.holders = this.names.map((words, file) => {
      const copies = Math.max(1, Math.round(copiesMax * Math.pow(file + 1, -copiesExponent)))
      const holders = drawDifferent(random, nodes, Math.min(nodes, copies))
      for (const holder of holders) this.filesOf[holder]!.push(file)
      for (const word of new Set(words)) this.posted(word).push(file)
      this.copies += holders.length
      return holders
    })
  }

  /** The files of a node. Nodes that were added later have none. */
  private heldBy(node: number): readonly number[] {
    return this.filesOf[node] ?? []
  }

  private posted(word: string): number[] {
    const known = this.postings.get(word) ?? []
    this.postings.set(word, known)
    return known
  }

  /** The route table of the node: the words of its names, and its content IDs as words. Computed once. */
  tableAt(node: number): QrpTable {
    const known = this.tables.get(node)
    if (known !== undefined) return known
    const files = this.heldBy(node)
    const words = [...files.flatMap(file => this.names[file]!), ...files.map(file => this.results[file]!.content)]
    const table = QrpTable.of(new Set(words), TABLE_BITS_MAX)
    this.tables.set(node, table)
    return table
  }

  /** The number of files. */
  filesAt(node: number): number {
    return this.heldBy(node).length
  }

  bytesAt(node: number): number {
    return this.heldBy(node).reduce((sum, file) => sum + this.results[file]!.bytes, 0)
  }

  /** For each node, the files that match the text: each word is a prefix of a word of the name. Cached by text. */
  find(text: string): ReadonlyMap<number, readonly number[]> {
    const known = this.found.get(text)
    if (known !== undefined) return known
    const byNode = new Map<number, number[]>()
    for (const file of this.filesWith(text.split(' '))) {
      for (const node of this.holders[file]!) {
        const list = byNode.get(node)
        if (list === undefined) byNode.set(node, [file])
        else list.push(file)
      }
    }
    this.found.set(text, byNode)
    return byNode
  }

  private filesWith(words: readonly string[]): Iterable<number> {
    const [first, ...others] = words.map(word => this.filesWithPrefix(word))
    return others.reduce((files, more) => files.intersection(more), first ?? new Set<number>())
  }

  private filesWithPrefix(prefix: string): Set<number> {
    const files = new Set<number>()
    for (const [word, posted] of this.postings) if (word.startsWith(prefix)) for (const file of posted) files.add(file)
    return files
  }

  /** The answer of the node's index. */
  match(node: number, { text, content, filter }: SearchQuery, limit: number): SearchResult[] {
    const files = content === undefined ? (this.find(text).get(node) ?? []) : this.heldBy(node)
    return files
      .map(file => this.results[file]!)
      .filter(result => content === undefined || result.content === content)
      .filter(({ bytes }) => bytes >= (filter.minBytes ?? 0) && bytes <= (filter.maxBytes ?? Infinity))
      .slice(0, limit)
  }

  /** Some words of the name of a file, chosen by popularity; sometimes a text that matches nothing. */
  drawText(random: Random): string {
    if (random.chance(this.settings.vainShare)) return `${VAIN_WORD}${drawWord(random)}`
    const words = this.names[this.popularity.draw(random)]!.slice(0, -1)
    return random.sample([...new Set(words)], 1 + random.below(QUERY_WORDS_MAX)).join(' ')
  }
}

function resultOf(random: Random, words: readonly string[], file: number): SearchResult {
  const name = `${words.slice(0, -1).join(' ')}.${words.at(-1)!}`
  const bytes = Math.floor(FILE_BYTES_MIN * Math.pow(FILE_BYTES_MAX / FILE_BYTES_MIN, random.unit()))
  return { content: sha256Hex(utf8(`${file} ${name}`)) as ContentId, name, path: undefined, bytes }
}

/** The words of every file's name, its extension last. */
function drawNames(random: Random, { files, vocabulary }: LibrarySettings): string[][] {
  const words = drawVocabulary(random, vocabulary)
  const popularity = new Zipf(words.length, WORDS_EXPONENT)
  return Array.from({ length: files }, () => {
    const length = NAME_WORDS_MIN + random.below(NAME_WORDS_MAX - NAME_WORDS_MIN + 1)
    const name = Array.from({ length }, () => words[popularity.draw(random)]!)
    return [...name, expectDefined(random.pick(EXTENSIONS), 'there are extensions')]
  })
}

function drawVocabulary(random: Random, count: number): string[] {
  const words = new Set<string>()
  while (words.size < count) words.add(drawWord(random))
  return [...words]
}

/** Two to four syllables. */
function drawWord(random: Random): string {
  const syllables = Array.from({ length: 2 + random.below(3) }, () => {
    const consonant = CONSONANTS.charAt(random.below(CONSONANTS.length))
    return consonant + VOWELS.charAt(random.below(VOWELS.length))
  })
  return syllables.join('')
}

function drawDifferent(random: Random, below: number, count: number): number[] {
  if (count * 2 > below) return random.sample([...Array(below).keys()], count)
  const drawn = new Set<number>()
  while (drawn.size < count) drawn.add(random.below(below))
  return [...drawn]
}
