/**
 * The worker thread of the index. SQLite is synchronous, and neither a query nor a checkpoint may block the daemon's
 * event loop. Requests are served one after another; long ones (a summary, a removal) run in steps, and other requests
 * are served between the steps.
 */
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { expectDefined } from '../../base/assert.ts'
import { ShoalError } from '../../base/errors.ts'
import { QrpTable } from '../../wire/gnutella/qrp.ts'
import type { Answers, Failure, Numbered, PackedSummary, Reply, Request } from './messages.ts'
import { IndexReader, namesOnly } from './reader.ts'
import { connect, connectToRead, isDamage, prepareFile, removeFile } from './schema.ts'
import { IndexWriter } from './writer.ts'

/** Terms per step of a summary: some milliseconds. */
const TERMS_AT_ONCE = 2_000
/** The writing connection is closed after this long without a write, to free its page cache. */
const WRITER_IDLE_MS = 5_000
const SQLITE_FULL = 13

const port = expectDefined(parentPort ?? undefined, 'the index runs in a thread of its own')
const { path } = workerData as { path: string }
const say = (reply: Reply): void => {
  port.postMessage(reply)
}

let reader: IndexReader
let writer: { index: IndexWriter; db: DatabaseSync } | undefined
let idle: NodeJS.Timeout | undefined

try {
  const { rebuilt } = prepareFile(path)
  reader = new IndexReader(connectToRead(path))
  port.on('message', ({ number, request }: Numbered) => {
    // What cannot even be answered ends the thread; the index is opened anew.
    serve(number, request).catch((error: unknown) =>
      setImmediate(() => {
        throw error
      })
    )
  })
  say({ kind: 'ready', rebuilt })
} catch (error) {
  say({ kind: 'failed', failure: failureOf(error) })
}

/** A failed request of these kinds is rolled back. */
const isWrite = ({ kind }: Request): boolean => ['begin', 'add', 'commit', 'remove'].includes(kind)

async function serve(number: number, request: Request): Promise<void> {
  try {
    const value = await answer(request)
    say({ kind: 'done', number, value })
  } catch (error) {
    if (isDamage(error)) recreate()
    else if (isWrite(request)) writer?.index.rollback()
    say({ kind: 'refused', number, failure: failureOf(error) })
  }
  if (request.kind === 'close') port.close()
}

/** Returns a promise for long requests; all others are complete when this returns. */
function answer(request: Request): Answers[keyof Answers] | Promise<Answers[keyof Answers]> {
  switch (request.kind) {
    case 'match':
      return reader.match(request.query, request.limit)
    case 'contents':
      return reader.contents()
    case 'summary':
      return summary()
    case 'begin':
      return inSteps(toWrite().begin(request.share))
    case 'add':
      toWrite().add(request.rows)
      return undefined
    case 'commit':
      toWrite().commit()
      return undefined
    case 'rollback':
      toWrite().rollback()
      return undefined
    case 'remove':
      return inSteps(toWrite().remove(request.content))
    case 'close':
      closeFile()
      return undefined
  }
}

async function inSteps(steps: Iterable<undefined>): Promise<undefined> {
  for (const _ of steps) await new Promise(setImmediate)
  return undefined
}

function toWrite(): IndexWriter {
  clearTimeout(idle)
  idle = setTimeout(closeWriter, WRITER_IDLE_MS).unref()
  if (writer === undefined) {
    const db = connect(path)
    writer = { db, index: new IndexWriter(db) }
  }
  return writer.index
}

/**
 * Closes the writer when it is idle. During a put it tries again later: the put ends by commit, rollback or timeout.
 */
function closeWriter(): void {
  if (writer?.db.isTransaction === true) {
    idle = setTimeout(closeWriter, WRITER_IDLE_MS).unref()
    return
  }
  writer?.index.close()
  writer = undefined
}

function closeFile(): void {
  clearTimeout(idle)
  writer?.index.close()
  writer = undefined
  reader.close()
}

function recreate(): void {
  closeFile()
  removeFile(path)
  prepareFile(path)
  reader = new IndexReader(connectToRead(path))
  say({ kind: 'lost' })
}

/** Summarizes every word of every name and all content IDs. Concurrent puts and removals may be included or not. */
async function summary(): Promise<PackedSummary> {
  const builder = QrpTable.builder()
  builder.add(reader.contents())
  for (const table of ['share_terms', 'file_terms'] as const) {
    for (let last = ''; ;) {
      const terms = reader.terms(table, last, TERMS_AT_ONCE)
      builder.add(namesOnly(terms))
      const end = terms.at(-1)
      if (end === undefined || terms.length < TERMS_AT_ONCE) break
      last = end
      await new Promise(setImmediate)
    }
  }
  const table = builder.table()
  return { bits: table.bits, patches: table.patches(), ...reader.totals() }
}

function failureOf(error: unknown): Failure {
  if (error instanceof ShoalError) return { code: error.code, message: error.message, hint: error.hint }
  const { message, errcode } = error as Error & { errcode?: number }
  if (isDamage(error)) {
    const hint = 'shares and downloads are not affected: an empty index was created, and the next start fills it'
    return { code: 'integrity', message: `the search index ${path} is damaged: ${message}`, hint }
  }
  const isFull = errcode !== undefined && (errcode & 0xff) === SQLITE_FULL
  const hint = isFull ? 'make room on that disk and start again' : undefined
  return { code: isFull ? 'disk-full' : 'internal', message: `the search index ${path} failed: ${message}`, hint }
}
