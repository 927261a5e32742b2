/**
 * The control API: HTTP/1.1 on the Unix socket of a home. `POST /v1/METHOD` with a JSON object; the answer is a stream of
 * JSON objects, one a line (`application/x-ndjson`), each with `"v":1`. A line may be an event (it has `event`), the last
 * line is the answer (`event: 'done'` for methods that stream) or an error (`{"v":1,"error":{code,message,hint}}`).
 * A client that hangs up stops listening, nothing else: what it started goes on.
 *
 * The schema is the types of this file plus `parseParams`: the server refuses with `usage` what does not fit.
 */
import { ShoalError, type ErrorCode } from '../../base/errors.ts'
import type { DoctorResult } from './doctor.ts'
import type { TopResult } from './top.ts'

export const CONTROL_VERSION = 1
/** A request's body. */
export const CONTROL_BODY_BYTES_MAX = 1 << 20
/** Paths in one `share`, globs in one `get`. */
export const CONTROL_LIST_MAX = 1_000

export interface MemberRow {
  /** Peer ID's text. */
  id: string
  name: string
  /** HOST:PORT. */
  address: string
  state: 'alive' | 'suspect' | 'dead' | 'left'
  incarnation: number
  self: boolean
}

export interface ShareRow {
  /** Content ID, 64 hexadecimal digits. */
  id: string
  name: string
  bytes: number
  files: number
  pieceLengthBytes: number
  /** complete: every byte is here; partial: a download that is not. */
  state: 'complete' | 'partial'
  /** Of what this node has: it stands in no index and no listing of others. */
  unlisted?: boolean
  /** Where it lies on this machine; absent for what only others hold. */
  path?: string
  /** Names or peer IDs of the members that hold it, this node too. */
  holders?: string[]
}

export interface EntryRow {
  /** With `/` between folders; a folder that is empty ends in `/`. */
  path: string
  bytes: number
  executable: boolean
}

export interface TransferRow {
  id: string
  name: string
  /** finding, preparing, fetching, finishing, complete, paused. */
  state: string
  /** Why it is paused, or what it waits for. */
  reason?: string
  bytes: number
  haveBytes: number
  fetchedBytes: number
  reusedBytes: number
  bytesPerSecond: number
  sources: SourceRow[]
}

/** What a share leaves out, in numbers, and the first few of it. */
export interface SkippedRow {
  symlinks: number
  specials: number
  names: number
  examples: Array<{ path: string; reason: string }>
}

export interface SourceRow {
  id: string
  name: string
  bytes: number
}

export interface BannedRow {
  id: string
  name: string
  /** Content ID, or `everywhere`. */
  content: string
  reason: string
}

/** Parameters and the last line of every method. Streams name the events before it. */
export interface ControlMethods {
  /** Is the daemon there, and who is it. */
  hello: {
    params: Record<string, never>
    result: {
      id: string
      name: string
      addresses: string[]
      ready: boolean
      overlay: string
      version: string
      pid: number
    }
  }
  stop: { params: Record<string, never>; result: { stopping: true } }
  invite: { params: Record<string, never>; result: { ticket: string; warning?: string } }
  /** Streams `{event:'waiting', for}`; ends when the first member of the overlay answered, or with `unreachable`. */
  join: { params: { ticket: string; timeoutMs?: number }; result: { overlay: string; members: number } }
  leave: { params: Record<string, never>; result: { left: true } }
  /** With `wait`, streams `{event:'waiting', alive}` until so many are alive, or ends with `timeout`. */
  members: { params: { wait?: number; timeoutMs?: number }; result: { members: MemberRow[] } }
  /**
   * Streams `{event:'hashing', path, files, bytes, totalBytes}`. Absolute paths. One content per path. `unlisted` keeps it out of
   * indexes and listings, false takes that back; without it what is known of the path stays.
   */
  share: {
    params: { paths: string[]; unlisted?: boolean }
    result: {
      shares: Array<{
        id: string
        name: string
        bytes: number
        files: number
        pieceLengthBytes: number
        filesHashed: number
        filesReused: number
        skipped: SkippedRow
        unlisted?: boolean
      }>
    }
  }
  ls: {
    params: { id?: string; all?: boolean }
    result:
      | { shares: ShareRow[] }
      | { id: string; name: string; bytes: number; files: number; pieceLengthBytes: number; entries: EntryRow[] }
  }
  /**
   * Streams `{event:'progress', ...TransferRow}` and `{event:'waiting', for}`. `what` is a content ID, a unique prefix of one of at least 8
   * digits, a name, a magnet link, or the number of a result of the last search; `torrent` the base64 of a .torrent file instead. `dir` is absolute.
   */
  get: {
    params: {
      what?: string
      torrent?: string
      dir: string
      include?: string[]
      overwrite?: boolean
      share?: boolean
      rename?: boolean
    }
    result: {
      event: 'done'
      id: string
      path: string
      bytes: number
      fetchedBytes: number
      reusedBytes: number
      seconds: number
      sources: SourceRow[]
    }
  }
  /**
   * Streams `{event:'hit', ...HitRow}`, again when a result is known better. A new search ends the meaning of the numbers of the last
   * one; a client that hangs up ends its search. Fails with `usage` when `text` has no word, or is too long.
   */
  search: {
    params: {
      text: string
      limit?: number
      timeoutMs?: number
      /** video, audio, image, archive, text, or an extension. */
      type?: string
      minBytes?: number
      maxBytes?: number
      trace?: boolean
      /** Results are gathered so long, ranked and told together; 0: each as it comes. Without it none is told before the answer. */
      tellMs?: number
    }
    result: SearchAnswer
  }
  /**
   * Makes one file readable by `GET` of `url` on this socket, fetching what is not here, until the caller hangs up: no answer comes before.
   * Streams `{event:'waiting', for}` and `{event:'open', id, url, bytes}`. `what` as in get, `path` inside of it.
   */
  cat: { params: { what: string; path?: string }; result: { closed: true } }
  /** Pauses a download that is under way; `get` again goes on. */
  pause: { params: { id: string }; result: { id: string; paused: true } }
  /** `lastHolder` is answered without doing anything when nobody else is known to hold it and `yes` is not set. */
  rm: {
    params: { id: string; deleteFiles?: boolean; yes?: boolean }
    result: { id: string; removed: boolean; lastHolder?: boolean; deletedFiles?: number }
  }
  /** With `follow`, streams `{event:'status', ...}` twice a second until the client hangs up. */
  status: { params: { id?: string; follow?: boolean }; result: StatusResult }
  /** `client`: the version of the program that asks. */
  doctor: { params: { client?: string }; result: DoctorResult }
  /** One frame; with `follow`, streams `{event:'top', ...}` once a second until the client hangs up. */
  top: { params: { follow?: boolean }; result: TopResult }
  ring: { params: Record<string, never>; result: RingResult }
  'ring.lookup': {
    params: { key: string; trace?: boolean }
    result: {
      key: string
      owner: { id: string; name: string }
      hops: number
      path: Array<{ id: string; name: string }>
      ms: number
    }
  }
}

export interface StatusResult {
  ready: boolean
  id: string
  name: string
  overlay: string
  addresses: string[]
  /** Below which contents are read by HTTP, ID/PATH; absent when there is no listener. */
  gateway?: string
  members: { alive: number; suspect: number; dead: number; left: number }
  transfers: TransferRow[]
  banned: BannedRow[]
  /** Refused attempts by reason since the start. */
  refused: Record<string, number>
  uptimeSeconds: number
  rssBytes: number
}

export interface RingResult {
  id: string
  key: string
  joined: boolean
  predecessor: { id: string; name: string; key: string } | null
  successors: Array<{ id: string; name: string; key: string }>
  /** The widest range first. */
  fingers: Array<{ id: string; name: string; key: string }>
  records: number
}

/** A share, or a file inside one. */
export interface HitRow {
  /** For `get`. Once told it means the same until the next search. */
  number: number
  /** Content ID of the share. */
  id: string
  /** Of the share. */
  name: string
  /** Of the file inside it, with `/` between folders. */
  path?: string
  bytes: number
  /** Names of members that told of it, the nearest first; the first HIT_HOLDERS_MAX of them. */
  holders: string[]
  holderCount: number
  /** To the nearest holder; 0 is this node. */
  hops: number
  /** What this node has of the share. */
  here?: 'complete' | 'partial'
}

/** A node that a traced search reached. */
export interface ReachedRow {
  id: string
  name: string
  hops: number
  /** Numbers of the results that it gave. */
  results: number[]
  /** Copies of the query that it sent on. */
  forwarded: number
  /** IDs of the nodes between this one and it, this one's neighbour first. */
  path: string[]
}

export interface SearchAnswer {
  event: 'done'
  /** Results. */
  hits: number
  /** Best first. */
  results: HitRow[]
  ended: 'limit' | 'exhausted' | 'timeout' | 'cancelled'
  /** Nodes that gave results. */
  answered: number
  /** Members that were up, but for this node. */
  others: number
  /** Queries sent, by this node; when traced, by all that told of themselves. */
  messages: number
  elapsedMs: number
  /** When traced, the nearest first. */
  reached?: ReachedRow[]
}

/** In one row. */
export const HIT_HOLDERS_MAX = 16
/** Of one search. */
export const SEARCH_LIMIT_MAX = 1_000
export const SEARCH_TIMEOUT_MS_MAX = 60_000

export type ControlMethod = keyof ControlMethods
export type Params<M extends ControlMethod> = ControlMethods[M]['params']
export type ResultOf<M extends ControlMethod> = ControlMethods[M]['result']
/** A line of an answer. */
export type Line = { v: 1 } & Record<string, unknown>

type Field = 'string' | 'string[]' | 'number' | 'boolean'
const required = (type: Field): { type: Field; required: true } => ({ type, required: true })
const maybe = (type: Field): { type: Field; required: false } => ({ type, required: false })

const PARAMS: { readonly [M in ControlMethod]: Readonly<Record<string, { type: Field; required: boolean }>> } = {
  hello: {},
  stop: {},
  invite: {},
  join: { ticket: required('string'), timeoutMs: maybe('number') },
  leave: {},
  members: { wait: maybe('number'), timeoutMs: maybe('number') },
  share: { paths: required('string[]'), unlisted: maybe('boolean') },
  ls: { id: maybe('string'), all: maybe('boolean') },
  get: {
    what: maybe('string'),
    torrent: maybe('string'),
    dir: required('string'),
    include: maybe('string[]'),
    overwrite: maybe('boolean'),
    share: maybe('boolean'),
    rename: maybe('boolean')
  },
  search: {
    text: required('string'),
    limit: maybe('number'),
    timeoutMs: maybe('number'),
    type: maybe('string'),
    minBytes: maybe('number'),
    maxBytes: maybe('number'),
    trace: maybe('boolean'),
    tellMs: maybe('number')
  },
  cat: { what: required('string'), path: maybe('string') },
  pause: { id: required('string') },
  rm: { id: required('string'), deleteFiles: maybe('boolean'), yes: maybe('boolean') },
  status: { id: maybe('string'), follow: maybe('boolean') },
  doctor: { client: maybe('string') },
  top: { follow: maybe('boolean') },
  ring: {},
  'ring.lookup': { key: required('string'), trace: maybe('boolean') }
}

export function isMethod(name: string): name is ControlMethod {
  return Object.hasOwn(PARAMS, name)
}

function fits(type: Field, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) && value >= 0
    case 'string[]':
      return Array.isArray(value) && value.length <= CONTROL_LIST_MAX && value.every(one => typeof one === 'string')
  }
}

/** Throws ShoalError `usage` that names the field. */
export function parseParams<M extends ControlMethod>(method: M, body: unknown): Params<M> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ShoalError('usage', `${method} takes a JSON object`)
  }
  const known = PARAMS[method]
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(known, name)) throw new ShoalError('usage', `${method} has no parameter "${name}"`)
  }
  for (const [name, field] of Object.entries(known)) {
    const value = (body as Record<string, unknown>)[name]
    if (value === undefined ? field.required : !fits(field.type, value)) {
      throw new ShoalError('usage', `${method} needs "${name}" as ${field.type}`)
    }
  }
  return body
}

export interface ErrorLine {
  v: 1
  error: { code: ErrorCode; message: string; hint?: string }
}

export function errorLine(error: ShoalError): ErrorLine {
  const { code, message, hint } = error
  return { v: CONTROL_VERSION, error: hint === undefined ? { code, message } : { code, message, hint } }
}
