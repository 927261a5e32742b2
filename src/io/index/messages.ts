/**
 * Messages between the daemon's thread and the index worker. Every request is answered once, in order of completion.
 */
import type { ErrorCode } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'
import type { SearchQuery, SearchResult } from '../../wire/gnutella/search.ts'
import type { FileRows, ShareRow } from './writer.ts'

/** Files per `add` request: the longest write between two queries. */
export const FILES_AT_ONCE = 256

/** A summary in a form that can be posted between threads. */
export interface PackedSummary {
  readonly bits: number
  readonly patches: Uint8Array[]
  readonly files: number
  readonly bytes: number
}

/** The result of each kind of request. */
export interface Answers {
  match: SearchResult[]
  contents: ContentId[]
  summary: PackedSummary
  begin: undefined
  add: undefined
  commit: undefined
  rollback: undefined
  remove: undefined
  close: undefined
}

export type Request =
  | { readonly kind: 'match'; readonly query: SearchQuery; readonly limit: number }
  | { readonly kind: 'contents' }
  | { readonly kind: 'summary' }
  /** A put consists of `begin`, any number of `add`, and `commit` or `rollback`. One put at a time. */
  | { readonly kind: 'begin'; readonly share: ShareRow }
  | { readonly kind: 'add'; readonly rows: FileRows }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'remove'; readonly content: ContentId }
  /** Answered when the file is closed; then the worker exits. */
  | { readonly kind: 'close' }

export interface Numbered {
  readonly number: number
  readonly request: Request
}

export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | undefined
}

export type Reply =
  | { readonly kind: 'ready'; readonly rebuilt: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The file was damaged and has been recreated empty. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'done'; readonly number: number; readonly value: Answers[keyof Answers] }
  | { readonly kind: 'refused'; readonly number: number; readonly failure: Failure }
