/**
 * Shares with names as people give them, drawn from a seed: words of a few tens of thousands in which few are frequent (Zipf,
 * exponent 1), several ways to join them, folders, numbers, extensions, and some names in other scripts.
 */
import { createHash } from 'node:crypto'
import type { ContentId } from '../../../src/base/ids.ts'
import { Random } from '../../../src/base/random.ts'
import type { IndexedShare } from '../../../src/io/index/index.ts'

const SYLLABLES = 'ba ce di fo gu ka le mi no pu ra se ti vo xu za sha tri plo gre en or al is un'.split(' ')
const VOCABULARY_WORDS = 50_000
const FOREIGN = [
  ...['Überraschung', 'café', 'Éléonore', 'Łódź', 'Straße', 'Война', 'мир', 'Ёлка', 'Ἰλιάς', 'שלום'],
  ...['東京タワー', '紅楼夢', '中文字典', 'ガス', '한국어', 'हिन्दी', 'สวัสดี']
]
const EXTENSIONS = 'mp3 mp3 mp3 jpg jpg jpg jpg pdf txt mkv mp4 flac png epub zip iso doc html'.split(' ')
const JOINTS = [' ', ' ', '_', '-', '.', '']
/** Files of a folder, and of a share, on average. */
const FOLDER_FILES = 40
const SHARE_FILES = 400

export class DrawnNames {
  readonly words: readonly string[]
  private readonly random: Random
  private readonly vocabularyWords: number
  private shares = 0

  constructor(seed: string, vocabularyWords = VOCABULARY_WORDS) {
    this.random = Random.from(seed)
    this.vocabularyWords = vocabularyWords
    this.words = Array.from({ length: vocabularyWords }, () => this.madeUp())
  }

  /** A word, the first ones most often. */
  word(): string {
    if (this.random.below(50) === 0) return FOREIGN[this.random.below(FOREIGN.length)] ?? ''
    return this.words[Math.floor(this.vocabularyWords ** this.random.unit()) - 1] ?? ''
  }

  /** `files` is the mean; one in ten is a file alone. */
  share(files = SHARE_FILES): IndexedShare {
    const content = createHash('sha256').update(`share ${this.shares++}`).digest('hex') as ContentId
    if (this.random.below(10) === 0) return { content, name: this.file(), bytes: this.size(), entries: [] }
    const entries: Array<{ path: string; bytes: number }> = []
    for (let left = 1 + this.random.below(2 * files); left > 0;) {
      const folder = this.folder()
      const some = Math.min(left, 1 + this.random.below(2 * FOLDER_FILES))
      for (let i = 0; i < some; i++) entries.push({ path: folder + this.file(), bytes: this.size() })
      left -= some
    }
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
    return { content, name: this.joined(1 + this.random.below(3)), bytes, entries }
  }

  /** 1 byte to 16 GiB, as many of each order of magnitude. */
  private size(): number {
    return Math.floor(2 ** this.random.range(0, 34))
  }

  private folder(): string {
    return Array.from({ length: this.random.below(3) }, () => `${this.joined(1 + this.random.below(2))}/`).join('')
  }

  private file(): string {
    const number = this.random.below(2) === 0 ? `${this.random.below(2_000)}` : ''
    const extension = EXTENSIONS[this.random.below(EXTENSIONS.length)] ?? ''
    return `${this.joined(1 + this.random.below(4))}${number}.${extension}`
  }

  private joined(count: number): string {
    const joint = JOINTS[this.random.below(JOINTS.length)] ?? ''
    const isTitle = joint === '' || this.random.below(2) === 0
    return Array.from({ length: count }, () => (isTitle ? titled(this.word()) : this.word())).join(joint)
  }

  private madeUp(): string {
    const count = 1 + this.random.below(4)
    return Array.from({ length: count }, () => SYLLABLES[this.random.below(SYLLABLES.length)] ?? '').join('')
  }
}

function titled(word: string): string {
  const [first = '', ...rest] = word
  return first.toUpperCase() + rest.join('')
}
