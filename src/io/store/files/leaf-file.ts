/**
 * The leaf hashes of a download in one sparse file: 32 bytes per leaf, in the order of the leaves. The hashes of a
 * piece arrive with its first block and are written before any of its leaves, so that after a restart every leaf on
 * disk can be checked individually. Hashes that are read are verified against the piece's root: a hole or a torn write
 * counts as missing.
 */
import { constants, fdatasync } from 'node:fs'
import { promises as fs } from 'node:fs'
import { promisify } from 'node:util'
import type { PieceIndex } from '../../../wire/bittorrent/layout.ts'
import { HASH_BYTES } from '../../../wire/bittorrent/merkle.ts'
import { errno } from './safe-dir.ts'
import { openFd, readAt, writeAt, type OpenFiles } from './open-files.ts'
import type { Held } from '../manifests.ts'

export const syncFdData = promisify(fdatasync)

export class LeafFile {
  private readonly path: string
  private readonly key: string
  private readonly held: Held
  private readonly files: OpenFiles
  private dirty = false

  constructor(options: { path: string; key: string; held: Held; files: OpenFiles }) {
    this.path = options.path
    this.key = options.key
    this.held = options.held
    this.files = options.files
  }

  private position(piece: PieceIndex): number {
    return this.held.manifest.layout.firstLeafOf(piece) * HASH_BYTES
  }

  private use<T>(act: (fd: number) => Promise<T>): Promise<T> {
    const open = (): Promise<number> =>
      openFd(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    return this.files.use(this.key, open, act)
  }

  /** The verified leaf hashes of the whole piece; undefined when they are missing or wrong. */
  async read(piece: PieceIndex): Promise<Uint8Array | undefined> {
    const leaves = this.held.manifest.layout.leavesOf(piece)
    const hashes = Buffer.allocUnsafe(leaves * HASH_BYTES)
    const filled = await this.use(fd => readAt(fd, hashes, this.position(piece)))
    if (filled < hashes.length || isZero(hashes)) return undefined
    return this.held.proves(piece, hashes) ? hashes : undefined
  }

  /** `hashes` must be verified. Throws the system's error. */
  async write(piece: PieceIndex, hashes: Uint8Array): Promise<void> {
    await this.use(fd => writeAt(fd, hashes, this.position(piece)))
    this.dirty = true
  }

  async sync(): Promise<void> {
    if (!this.dirty) return
    this.dirty = false
    try {
      await this.use(fd => syncFdData(fd))
    } catch (error) {
      this.dirty = true
      throw error
    }
  }

  async remove(): Promise<void> {
    this.files.drop(this.key)
    await fs.unlink(this.path).catch((error: unknown) => {
      if (errno(error) !== 'ENOENT') throw error
    })
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}
