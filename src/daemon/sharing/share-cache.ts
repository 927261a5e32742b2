/** What shared files hashed to, in the state database: a record per path, under the hash of the path. */
import { sha256Hex, utf8 } from '../../base/bytes.ts'
import type { CachedFile, ShareCache } from '../../io/share/cache.ts'
import type { FileStamp } from '../../io/share/walk.ts'
import type { StateDb } from '../../io/state/db.ts'
import { encode, fixed, struct, text, tryDecode } from '../../wire/codec/codec.ts'
import { HASH_BYTES } from '../../wire/bittorrent/merkle.ts'

const PREFIX = 'share-cache/'

const entry = struct({ stamp: text(128), root: fixed(HASH_BYTES) })

const stampText = ({ sizeBytes, mtimeNs, inode }: FileStamp): string => `${sizeBytes} ${mtimeNs} ${inode}`
const keyOf = (diskPath: string): string => PREFIX + sha256Hex(utf8(diskPath))

export function shareCache(db: StateDb): ShareCache {
  return {
    get(diskPath, stamp) {
      const value = db.get(keyOf(diskPath))
      const known = value === undefined ? undefined : tryDecode(entry, value)
      return known?.stamp === stampText(stamp) ? { root: known.root } : undefined
    },
    put(files: readonly CachedFile[]) {
      // That it may be lost in a crash costs a hash, nothing else: nobody waits for it.
      for (const { diskPath, stamp, root } of files) {
        db.put(keyOf(diskPath), encode(entry, { stamp: stampText(stamp), root })).catch(() => undefined)
      }
    }
  }
}
