/**
 * The thread in which the index lives: SQLite is synchronous, and neither a query nor a checkpoint may hold up the daemon's event
 * loop. Requests are served one after another; only what takes
 * long (a summary, a removal) goes in steps, between which others are served.
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

/** Words of a summary between two turns: some milliseconds. */
const TERMS_AT_ONCE = 2_000
/** The connection that writes, and its pages, are let go after so long without a write. */
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

/** One that has failed leaves nothing behind. */
const isWrite = ({ kind }: Request): boolean => ['begin', 'add', 'commit', 'remove'].includes(kind)

async function serve(number: number, request: Request): Promise<void> {
  try {
    const value = await answer(request)
    say({ kind: 'done', number, value })
  } catch (error) {
    if (isDamage(error)) beginAnew()
    else if (isWrite(request)) writer?.index.rollback()
    say({ kind: 'refused', number, failure: failureOf(error) })
  }
  if (request.kind === 'close') port.close()
}

/** What takes long is a promise; everything else is done when this returns. */
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

/** In the middle of a put it stays: whoever puts must still end it, and does at the latest when it waits no longer. */
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

function beginAnew(): void {
  closeFile()
  removeFile(path)
  prepareFile(path)
  reader = new IndexReader(connectToRead(path))
  say({ kind: 'lost' })
}

/** Every word of every name, and the IDs of the contents. What comes or goes meanwhile may be in it or not. */
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
    const hint = 'nothing is lost but the index: it was begun anew, and the next start fills it'
    return { code: 'integrity', message: `the search index ${path} is damaged: ${message}`, hint }
  }
  const isFull = errcode !== undefined && (errcode & 0xff) === SQLITE_FULL
  const hint = isFull ? 'make room on that disk and start again' : undefined
  return { code: isFull ? 'disk-full' : 'internal', message: `the search index ${path} failed: ${message}`, hint }
}
