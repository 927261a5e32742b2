/**
 * The control API: HTTP/1.1 on the Unix socket of a home. `POST /v1/METHOD` with a JSON object; the answer is a stream of
 * JSON objects, one a line (`application/x-ndjson`), each with `"v":1`. A line with the field `event` comes before the answer;
 * the last line is the answer (`event: 'done'` for some methods that stream) or an error
 * (`{"v":1,"error":{code,message,hint}}`). A client that hangs up stops listening; the work that it started goes on.
 *
 * `METHODS` is the one schema of each method: types, checks on both sides and `shoal help api` come from it.
 */
import type { ShoalError, ErrorCode } from '../../base/errors.ts'
import { paramsOf } from './check.ts'
import { doctorResult } from './doctor.ts'
import { TICKET_INPUT_LENGTH_MAX } from './home.ts'
import {
  entryRow,
  failedRow,
  fields,
  memberRow,
  nodeName,
  ringResult,
  searchAnswer,
  sharedRow,
  shareRow,
  sourceRow,
  statusResult
} from './rows.ts'
import {
  amount,
  duration,
  either,
  event,
  flag,
  list,
  listUpTo,
  literal,
  maybe,
  method,
  row,
  text,
  textUpTo,
  whole,
  wholeFrom,
  type Api,
  type EventIn,
  type ParamsIn,
  type ResultIn
} from './schema.ts'
import { topEntries, topResult } from './top.ts'

export type * from './rows.ts'
export { HIT_HOLDERS_MAX, SHARING_ROWS_MAX } from './rows.ts'

export const CONTROL_VERSION = 1
/** A request's body. */
export const CONTROL_BODY_BYTES_MAX = 1 << 20
/** Paths in one `share`, globs in one `get`. */
export const CONTROL_LIST_MAX = 1_000
/** A path has at most 4,095 bytes on Linux; a glob may escape each letter of one. */
export const PATH_LENGTH_MAX = 8_192
/** A magnet link, or any other word that names a content. */
const WHAT_LENGTH_MAX = 16_384
const SEARCH_TEXT_LENGTH_MAX = 65_536
const WORD_LENGTH_MAX = 1_024
/** Members that one can wait for. */
export const WAIT_MEMBERS_MAX = 1_000_000
/** Results of one search. */
export const SEARCH_LIMIT_MAX = 1_000
export const SEARCH_TIMEOUT_MS_MAX = 60_000
const FILE_BYTES_MAX = Number.MAX_SAFE_INTEGER

const contentId = text('content ID, 64 hexadecimal digits')
const what = (about: string) => textUpTo(WHAT_LENGTH_MAX, about)
const waiting = event('waiting', { for: text('what the daemon waits for') })

export const METHODS = {
  // `hello` and `stop` keep their fields for good: they are how a daemon of another version is ended.
  hello: method('Says who the daemon is.', {
    params: {},
    events: [],
    result: row({
      id: text('peer ID'),
      name: text('name of the node'),
      addresses: list(text('HOST:PORT'), 'where the node listens'),
      ready: flag('whether the node works'),
      overlay: text('ID of the overlay'),
      version: text('version of the daemon'),
      pid: whole('process ID of the daemon')
    })
  }),
  stop: method('Ends the daemon. The answer comes before the end.', {
    params: {},
    events: [],
    result: row({ stopping: literal(true, 'always') })
  }),
  invite: method('Makes a ticket: membership of this overlay.', {
    params: {},
    events: [],
    result: row({
      ticket: text('the ticket'),
      warning: maybe(text('why other machines may not be able to use it'))
    })
  }),
  join: method('Joins the overlay of a ticket. Answers when the first member of it has answered.', {
    params: {
      ticket: textUpTo(TICKET_INPUT_LENGTH_MAX, 'the ticket'),
      timeoutMs: maybe(duration('how long to wait for an answer'))
    },
    events: [waiting],
    result: row({ overlay: text('ID of the overlay'), members: whole('members that are alive, this node too') })
  }),
  leave: method('Leaves the overlay. Identity, shares and files stay.', {
    params: {},
    events: [],
    result: row({ left: literal(true, 'always') })
  }),
  members: method('Lists the members. With wait it answers when enough of them are alive.', {
    params: {
      wait: maybe(wholeFrom({ min: 0, max: WAIT_MEMBERS_MAX }, 'how many must be alive, this node too')),
      timeoutMs: maybe(duration('how long to wait for them'))
    },
    events: [event('waiting', { alive: whole('members that are alive'), for: text('what the daemon waits for') })],
    result: row({
      members: list(memberRow, 'this node first, then by name'),
      twin: maybe(text('HOST:PORT of another node that runs with the key of this node; absent when there is none'))
    })
  }),
  share: method(
    'Hashes and shares files and folders, one content for each path. A path alone fails with its error; of several, the others are shared. The daemon goes on when the client hangs up.',
    {
      params: {
        paths: listUpTo(CONTROL_LIST_MAX, textUpTo(PATH_LENGTH_MAX, 'path'), 'absolute paths'),
        unlisted: maybe(
          flag('true keeps them out of searches and listings, false lists them again; absent: as the path was before')
        ),
        strict: maybe(
          flag('fail for a folder of which a file or folder would be left out, and leave the previous share')
        ),
        cancel: maybe(flag('give up the shares of these paths that are being made'))
      },
      events: [
        event('hashing', {
          path: text('the path that is read'),
          files: whole('files that are done'),
          bytes: whole('bytes that are done'),
          totalBytes: maybe(whole('bytes of all files'))
        })
      ],
      result: row({
        shares: list(sharedRow, 'in the order of the paths'),
        failed: maybe(list(failedRow, 'paths that could not be shared, in their order')),
        cancelled: maybe(whole('shares that cancel gave up'))
      })
    }
  ),
  ls: method('Lists shares and downloads of this node, what all members share, or the files of one content.', {
    params: {
      id: maybe(what('content ID, a unique prefix of one, or a name: list its files')),
      all: maybe(flag('what every live member shares'))
    },
    events: [],
    result: either(
      row({ shares: list(shareRow, 'by name') }),
      row({
        id: contentId,
        name: text('name of the file or folder'),
        bytes: whole('size of all its files'),
        files: whole('number of its files'),
        pieceLengthBytes: whole('length of a piece'),
        entries: list(entryRow, 'files and empty folders, by path')
      })
    )
  }),
  get: method('Fetches a content, and answers when it is complete. Takes either what or torrent.', {
    params: {
      what: maybe(
        what(
          'content ID, a unique prefix of at least 8 digits, a name, a magnet link, or the number of a result of the last search'
        )
      ),
      torrent: maybe(textUpTo(CONTROL_BODY_BYTES_MAX, 'a .torrent file in base64')),
      dir: textUpTo(PATH_LENGTH_MAX, 'absolute path of the folder to fetch into'),
      include: maybe(
        listUpTo(CONTROL_LIST_MAX, textUpTo(PATH_LENGTH_MAX, 'glob'), 'fetch only files whose path matches one')
      ),
      overwrite: maybe(flag('replace files that have other bytes')),
      share: maybe(flag('serve it to others; true unless told otherwise')),
      rename: maybe(flag('change names that the file system cannot hold')),
      timeoutMs: maybe(
        duration(
          'how long to wait at most; without it the call also ends when no member that answers has what is missing'
        )
      )
    },
    events: [
      waiting,
      event('failed-before', {
        id: contentId,
        code: text('error code of the last try, which nobody may have followed'),
        message: text('why it failed'),
        atSeconds: whole('when, in seconds since 1970')
      }),
      event('progress', fields.transfer)
    ],
    result: row({
      event: literal('done', 'marks the last line'),
      id: contentId,
      path: text('where it lies'),
      bytes: whole('size of the files that were wanted'),
      fetchedBytes: whole('bytes that came over the network'),
      reusedBytes: whole('bytes that were there before'),
      seconds: amount('duration'),
      sources: list(sourceRow, 'members that gave something')
    })
  }),
  search: method(
    'Searches the overlay. Results keep their numbers until the next search. Hanging up ends the search.',
    {
      params: {
        text: textUpTo(SEARCH_TEXT_LENGTH_MAX, 'words; each must begin a word of the name or path'),
        limit: maybe(wholeFrom({ min: 1, max: SEARCH_LIMIT_MAX }, 'results that are enough')),
        timeoutMs: maybe(wholeFrom({ min: 1, max: SEARCH_TIMEOUT_MS_MAX }, 'how long to wait')),
        type: maybe(textUpTo(WORD_LENGTH_MAX, 'video, audio, image, archive, text, or an extension')),
        minBytes: maybe(wholeFrom({ min: 0, max: FILE_BYTES_MAX }, 'only what has at least this size')),
        maxBytes: maybe(wholeFrom({ min: 0, max: FILE_BYTES_MAX }, 'only what has at most this size')),
        trace: maybe(flag('report the nodes that the query reached')),
        tellMs: maybe(
          duration(
            'collect results for this time, rank them and send them together; 0: each at once; absent: no events'
          )
        )
      },
      events: [event('hit', fields.hit)],
      result: searchAnswer
    }
  ),
  cat: method(
    'Makes one file readable by GET of a URL on this socket until the client hangs up. No answer before that.',
    {
      params: {
        what: what('as in get'),
        path: maybe(textUpTo(PATH_LENGTH_MAX, 'path of the file inside the content'))
      },
      events: [
        waiting,
        event('open', {
          id: contentId,
          url: text('path of the URL'),
          bytes: whole('size of the file')
        })
      ],
      result: row({ closed: literal(true, 'always') })
    }
  ),
  pause: method('Pauses a download; get goes on with it.', {
    params: { id: what('content ID, a unique prefix of one, or a name') },
    events: [],
    result: row({ id: contentId, paused: literal(true, 'always') })
  }),
  rm: method('Forgets a share or download. Does nothing when no other holder is known and yes is not set.', {
    params: {
      id: what('content ID, a unique prefix of one, or a name'),
      deleteFiles: maybe(flag('delete its files too')),
      yes: maybe(flag('also when no other holder is known'))
    },
    events: [],
    result: row({
      id: contentId,
      removed: flag('whether it was forgotten'),
      lastHolder: maybe(flag('nothing was done: no other holder is known')),
      deletedFiles: maybe(whole('number of files that were deleted')),
      unfinished: maybe(
        row({
          path: text('file or folder of the download'),
          bytes: whole('bytes that were fetched and stay in files that end in .part')
        })
      )
    })
  }),
  status: method(
    'Describes the node, its transfers and banned members. With follow: twice a second until the client hangs up.',
    {
      params: {
        id: maybe(what('only this transfer: content ID, a unique prefix of one, or a name')),
        follow: maybe(flag('send events'))
      },
      events: [event('status', fields.status)],
      result: statusResult
    }
  ),
  doctor: method('Checks what keeps the node from working.', {
    params: { client: maybe(textUpTo(WORD_LENGTH_MAX, 'version of the program that asks')) },
    events: [],
    result: doctorResult
  }),
  top: method('Measures members and transfers. With follow: once a second until the client hangs up.', {
    params: { follow: maybe(flag('send events')) },
    events: [event('top', topEntries)],
    result: topResult
  }),
  ring: method("Describes the node's place on the ring, and its tables.", {
    params: {},
    events: [],
    result: ringResult
  }),
  'ring.lookup': method('Finds the owner of a key.', {
    params: {
      key: textUpTo(WHAT_LENGTH_MAX, 'a content ID, a key, a peer ID, or any text, which is hashed'),
      trace: maybe(flag('for the client only; the path is always in the answer'))
    },
    events: [],
    result: row({
      key: text('the key that was looked up'),
      owner: nodeName,
      hops: whole('hops to the owner'),
      path: list(nodeName, 'the nodes that were asked, this node first'),
      ms: amount('duration')
    })
  })
} satisfies Api

export type ControlApi = typeof METHODS
export type ControlMethod = keyof ControlApi
export type Params<M extends ControlMethod> = ParamsIn<ControlApi, M>
/** The lines before the answer, told apart by `event`. */
export type EventOf<M extends ControlMethod> = EventIn<ControlApi, M>
export type ResultOf<M extends ControlMethod> = ResultIn<ControlApi, M>

export function isMethod(name: string): name is ControlMethod {
  return Object.hasOwn(METHODS, name)
}

/** Throws ShoalError `usage` that names the field and what it takes. */
export function parseParams<M extends ControlMethod>(name: M, body: unknown): Params<M> {
  return paramsOf(name, METHODS[name], body)
}

export interface ErrorLine {
  v: 1
  error: { code: ErrorCode; message: string; hint?: string }
}

export function errorLine(error: ShoalError): ErrorLine {
  const { code, message, hint } = error
  return { v: CONTROL_VERSION, error: hint === undefined ? { code, message } : { code, message, hint } }
}
