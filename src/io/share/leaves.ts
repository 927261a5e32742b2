/**
 * Where leaf hashes go while a file is hashed, and come from when a piece of it is served. They are a 512th of the file, so
 * they stream: nobody holds those of a large file. A file of one leaf needs none: its leaf hash is its root.
 */

export interface LeafHashes {
  /** Whether all leaf hashes of this file are there. */
  has(root: Uint8Array, leafCount: number): Promise<boolean>
  /** For a file whose root is not known yet. */
  create(leafCount: number): Promise<LeafWriter>
  /** The hashes in order, in chunks of whole ones; what was put is what comes. Throws when they are not there. */
  read(root: Uint8Array, leafCount: number): AsyncIterable<Uint8Array>
}

/** Ended by exactly one of commit and discard. */
export interface LeafWriter {
  /** The next hashes, any number of whole ones; copied before it returns. */
  append(hashes: Uint8Array): Promise<void>
  /** All are there; from now on they are found under the root. */
  commit(root: Uint8Array): Promise<void>
  discard(): Promise<void>
}
