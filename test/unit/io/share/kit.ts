/** What the tests of this room share: a folder that goes away, a cache in memory, leaf hashes in memory that remember. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { hex } from '../../../../src/base/bytes.ts'
import type { CachedFile, ShareCache } from '../../../../src/io/share/cache.ts'
import { FolderLeafStore } from '../../../../src/io/share/leaf-store.ts'
import type { ScanOptions } from '../../../../src/io/share/hashing.ts'
import { scan, type Scanned } from '../../../../src/io/share/scan.ts'
import { sameStamp } from '../../../../src/io/share/walk.ts'

export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-share-'))
  onTestFinished(() => {
    fs.rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

export class MapCache implements ShareCache {
  readonly files = new Map<string, CachedFile>()

  get(diskPath: string, stamp: CachedFile['stamp']): CachedFile | undefined {
    const file = this.files.get(diskPath)
    return file !== undefined && sameStamp(file.stamp, stamp) ? file : undefined
  }

  put(files: readonly CachedFile[]): void {
    for (const file of files) this.files.set(file.diskPath, file)
  }
}

export interface Bench {
  readonly folder: string
  readonly leaves: FolderLeafStore
  readonly cache: MapCache
  readonly scan: (target: string, options?: Partial<ScanOptions>) => Promise<Scanned>
}

/** A folder for what is shared, and a scanner with a store and a cache of its own. */
export async function bench(): Promise<Bench> {
  const home = temporaryFolder()
  const folder = path.join(home, 'disk')
  fs.mkdirSync(folder)
  const leaves = await FolderLeafStore.open(path.join(home, 'leaves'))
  const cache = new MapCache()
  const { signal } = new AbortController()
  return { folder, leaves, cache, scan: (target, options = {}) => scan(target, { signal, leaves, cache, ...options }) }
}

/** A file with its folders; old enough for any cache unless told otherwise. */
export function put(folder: string, name: string, bytes: Uint8Array | string, ageSeconds = 3_600): string {
  const target = path.join(folder, name)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.writeFileSync(target, bytes)
  age(target, ageSeconds)
  return target
}

export function age(target: string, seconds: number): void {
  const when = Date.now() / 1_000 - seconds
  fs.utimesSync(target, when, when)
}

export async function allOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return hex(Buffer.concat(parts))
}
