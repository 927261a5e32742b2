/** The rows that several methods of the control API answer with. */
import {
  amount,
  dictionary,
  flag,
  list,
  literal,
  maybe,
  oneOf,
  orNull,
  row,
  text,
  whole,
  type Infer
} from './schema.ts'

const CONTENT_ID = 'content ID, 64 hexadecimal digits'
const PEER_ID = 'peer ID'

/** Holders that one row names. */
export const HIT_HOLDERS_MAX = 16

export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const

export const memberCounts = row({
  alive: whole('members that answer, this node too'),
  suspect: whole('members that do not answer at present'),
  dead: whole('members that were declared dead'),
  left: whole('members that announced that they leave')
})

export const memberRow = row({
  id: text(PEER_ID),
  name: text('name that the member gave itself'),
  address: text('HOST:PORT at which the others reach it'),
  state: oneOf(MEMBER_STATES, 'as this node sees it'),
  incarnation: whole('version of what the member says of itself'),
  self: flag('whether the row is this node')
})
export type MemberRow = Infer<typeof memberRow>

const FILE_STATES = ['changed', 'missing'] as const

/** Why a share cannot be served whole. */
export const shareProblem = row({
  files: list(
    row({ path: text('path inside the content'), state: oneOf(FILE_STATES, 'what is wrong with the file') }),
    'the first few of the files that are changed or missing'
  ),
  fileCount: whole('number of all such files'),
  fix: text('what to do')
})
export type ShareProblem = Infer<typeof shareProblem>

export const shareRow = row({
  id: text(CONTENT_ID),
  name: text('name of the file or folder'),
  bytes: whole('size of all its files'),
  files: whole('number of its files'),
  pieceLengthBytes: whole('length of a piece'),
  state: oneOf(
    ['complete', 'partial', 'changed', 'missing'],
    'complete: all bytes are here; partial: a download goes on; changed, missing: files are not on disk as recorded'
  ),
  problem: maybe(shareProblem),
  unlisted: maybe(flag('kept out of searches and of the listings of others')),
  path: maybe(text('where it lies on this machine; absent for what only others hold')),
  holders: maybe(list(text('name or peer ID'), 'members that hold it, this node too'))
})
export type ShareRow = Infer<typeof shareRow>

export const entryRow = row({
  path: text('path inside the content, with / between folders; an empty folder ends in /'),
  bytes: whole('size of the file'),
  executable: flag('whether the file has the executable bit'),
  state: maybe(oneOf(FILE_STATES, 'of a share of this node: the file is not on disk as recorded'))
})
export type EntryRow = Infer<typeof entryRow>

export const sourceRow = row({
  id: text(PEER_ID),
  name: text('name of the member'),
  bytes: whole('bytes that this member gave')
})
export type SourceRow = Infer<typeof sourceRow>

const transferEntries = {
  id: text(CONTENT_ID),
  name: text('name of the content; empty until its list of files is known'),
  state: text('finding, preparing, fetching, finishing, complete, paused, failed or copying'),
  reason: maybe(text('why it is paused or failed, or what it waits for, in one word')),
  problem: maybe(text('the reason in a sentence, where there is more to say')),
  bytes: whole('size of the files that are wanted'),
  haveBytes: whole('how much of that is here'),
  fetchedBytes: whole('bytes that came over the network in this run'),
  reusedBytes: whole('bytes that were here before'),
  bytesPerSecond: amount('rate of the last seconds'),
  sources: list(sourceRow, 'members that gave something in this run')
}
export const transferRow = row(transferEntries)
export type TransferRow = Infer<typeof transferRow>

/** What a share leaves out, in numbers by reason. */
export const skippedRow = row({
  symlinks: whole('symbolic links'),
  specials: whole('sockets, devices and pipes'),
  names: whole('entries whose name is not UTF-8 or is too long'),
  paths: whole('entries whose path is too long or too deep'),
  unreadable: whole('entries that the daemon has no permission to read'),
  failing: whole('entries for which the disk gives an error'),
  changed: whole('files that were written while they were read'),
  vanished: whole('entries that were removed while the folder was read'),
  examples: list(
    row({
      path: text('path of the entry'),
      reason: text('symlink, special, name, path, unreadable, failing, changed or vanished')
    }),
    'the first few of the entries that were left out'
  )
})
export type SkippedRow = Infer<typeof skippedRow>

export const sharedRow = row({
  id: text(CONTENT_ID),
  name: text('name of the file or folder'),
  bytes: whole('size of all its files'),
  files: whole('number of its files'),
  pieceLengthBytes: whole('length of a piece'),
  filesHashed: whole('files that were read'),
  filesReused: whole('files that did not change since they were hashed'),
  skipped: skippedRow,
  unlisted: maybe(flag('kept out of searches and of the listings of others'))
})

export const failedRow = row({
  path: text('as it was given'),
  code: text('code of the error'),
  message: text('what happened'),
  hint: maybe(text('what to do'))
})
export type FailedRow = Infer<typeof failedRow>

/** Rows of one `status`. */
export const SHARING_ROWS_MAX = 100

export const sharingRow = row({
  path: text('the path that is being shared'),
  state: oneOf(['queued', 'hashing'], 'queued: it waits for others'),
  files: whole('files that are done'),
  bytes: whole('bytes that are done'),
  totalBytes: whole('bytes of all files; 0 while the folder is being read')
})
export type SharingRow = Infer<typeof sharingRow>

export const bannedRow = row({
  id: text(PEER_ID),
  name: text('name of the member'),
  content: text('the content that it is banned from, or everywhere'),
  reason: text('what it did')
})
export type BannedRow = Infer<typeof bannedRow>

export const statusEntries = {
  ready: flag('whether the node works'),
  id: text(PEER_ID),
  name: text('name of the node'),
  overlay: text('ID of the overlay'),
  addresses: list(text('HOST:PORT'), 'where the node listens'),
  twin: maybe(text('HOST:PORT of another node that runs with the key of this node; absent when there is none')),
  gateway: maybe(text('URL below which contents are read by HTTP as ID/PATH; absent without a listener')),
  members: memberCounts,
  transfers: list(transferRow, 'downloads of this process'),
  damaged: list(shareRow, 'shares of this node that cannot be served whole: files are changed or missing'),
  sharing: maybe(list(sharingRow, 'shares that are being made, the first of them; absent when there are none')),
  banned: list(bannedRow, 'members from which nothing is fetched'),
  refused: dictionary(whole('number'), 'refused datagrams and connections since the start, by reason'),
  uptimeSeconds: whole('since the process started'),
  rssBytes: whole('resident memory of the process')
}
export const statusResult = row(statusEntries)
export type StatusResult = Infer<typeof statusResult>

export const nodeName = row({ id: text(PEER_ID), name: text('name of the member') })
const ringEntry = row({ id: text(PEER_ID), name: text('name of the member'), key: text('place on the ring') })

export const ringResult = row({
  id: text(PEER_ID),
  key: text('place of this node on the ring'),
  joined: flag('whether the node has joined the ring'),
  predecessor: orNull(ringEntry),
  successors: list(ringEntry, 'the next nodes clockwise'),
  fingers: list(ringEntry, 'nodes farther away, the widest range first'),
  records: whole('provider records that are stored here')
})
export type RingResult = Infer<typeof ringResult>

const hitEntries = {
  number: whole('for get; means the same until the next search'),
  id: text('content ID of the share'),
  name: text('name of the share'),
  path: maybe(text('path of the file inside the share; absent when the share itself is the result')),
  bytes: whole('size'),
  holders: list(text('name'), `members that hold it, the nearest first, at most ${HIT_HOLDERS_MAX}`),
  holderCount: whole('number of all members that hold it'),
  hops: whole('hops to the nearest holder; 0 is this node'),
  here: maybe(oneOf(['complete', 'partial'], 'what this node has of the share'))
}
export const hitRow = row(hitEntries)
/** A share, or a file inside one. */
export type HitRow = Infer<typeof hitRow>

export const reachedRow = row({
  id: text(PEER_ID),
  name: text('name of the node'),
  hops: whole('hops to it'),
  results: list(whole('number'), 'numbers of the results that it gave'),
  forwarded: whole('copies of the query that it sent on'),
  path: list(text(PEER_ID), "nodes between this one and it, this node's neighbour first")
})
/** A node that a traced search reached. */
export type ReachedRow = Infer<typeof reachedRow>

export const searchAnswer = row({
  event: literal('done', 'marks the last line'),
  hits: whole('number of results'),
  results: list(hitRow, 'the best first'),
  ended: oneOf(['limit', 'exhausted', 'timeout', 'cancelled'], 'why the search ended'),
  answered: whole('nodes that gave results'),
  others: whole('members that were up, without this node'),
  messages: whole('queries that this node sent; of a traced search, that all traced nodes sent'),
  elapsedMs: whole('duration of the search'),
  reached: maybe(list(reachedRow, 'of a traced search: the nodes that it reached, the nearest first'))
})
export type SearchAnswer = Infer<typeof searchAnswer>

/** For events that carry the fields of a row. */
export const fields = { transfer: transferEntries, status: statusEntries, hit: hitEntries }
