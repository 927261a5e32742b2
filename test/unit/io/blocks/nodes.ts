/** Nodes with a network, a store and a block engine. Commands return promises. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { overlayId, type ContentId, type NodeId } from '../../../../src/base/ids.ts'
import type { ExchangeCommand, RequestId } from '../../../../src/core/exchange/contract.ts'
import type { Result } from '../../../../src/core/machine.ts'
import { BlockEngine, type BlockEngineOptions } from '../../../../src/io/blocks/engine.ts'
import type { UploadOrder } from '../../../../src/io/blocks/uploader.ts'
import { now } from '../../../../src/io/clock.ts'
import { newIdentity } from '../../../../src/io/identity.ts'
import { openNet, type Net } from '../../../../src/io/net/net.ts'
import { memoryNetState } from '../../../../src/io/net/datagram/state.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'
import { pathOf } from '../../../../src/wire/bittorrent/metainfo.ts'
import { layOut, openPlace, startDownload, type Made, type Place } from '../store/contents.ts'

export interface Node {
  readonly id: NodeId
  readonly contact: Contact
  readonly net: Net
  readonly place: Place
  readonly engine: BlockEngine
  readonly uploads: UploadOrder[]
  readonly misbehaved: string[]
  run(command: ExchangeCommand): Promise<Result>
}

export async function startNode(options: Partial<Pick<BlockEngineOptions, 'source'>> = {}): Promise<Node> {
  const place = await openPlace()
  const net = await openNet({
    identity: newIdentity(),
    overlay: overlayId(new Uint8Array(32).fill(1)),
    overlayKeys: [new Uint8Array(32).fill(2)],
    listen: { host: '127.0.0.1', port: 0 },
    state: memoryNetState(),
    clock: now,
    onFault: error => {
      throw error
    }
  })
  const waiting = new Map<number, (result: Result) => void>()
  const uploads: UploadOrder[] = []
  const misbehaved: string[] = []
  const engine = new BlockEngine({
    ...options,
    ...{ net, store: place.store, log: { warn: () => undefined } },
    done: (token, result) => {
      const resolve = waiting.get(token)
      if (resolve === undefined) throw new Error(`token ${token} was answered twice`)
      waiting.delete(token)
      resolve(result)
    },
    onUpload: order => uploads.push(order),
    onMisbehaved: (_, what) => misbehaved.push(what)
  })
  await engine.start()
  onTestFinished(async () => {
    await engine.close()
    await net.close()
    await place.remove()
  })
  let tokens = 0
  const run = (command: ExchangeCommand): Promise<Result> => {
    const token = ++tokens
    const { promise, resolve } = Promise.withResolvers<Result>()
    waiting.set(token, resolve)
    engine.execute(token, command)
    return promise
  }
  const contact = { id: net.self, address: net.listening }
  return { id: net.self, contact, net, place, engine, uploads, misbehaved, run }
}

/** Writes the content's files at the node and shares them. */
export function share(node: Node, made: Made): Promise<void> {
  return shareIn(node.place, made)
}

export async function shareIn(place: Place, made: Made): Promise<void> {
  const top = await layOut(made, place.folder)
  const files = made.manifest.files.map(file => {
    const stat = statSync(made.manifest.singleFile ? top : join(top, ...pathOf(file)), { bigint: true })
    return { stamp: { sizeBytes: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino } }
  })
  await place.store.adopt(top, { manifest: made.manifest, pieceLayers: made.pieceLayers, files })
}

/** Prepares a download of the content at the node, with no leaf of it on disk. */
export async function want(node: Node, made: Made): Promise<void> {
  await startDownload(node.place, made)
  const result = await node.run({ kind: 'prepare', content: made.id, synced: undefined })
  if (!result.ok) throw new Error(result.reason)
}

export interface Which {
  readonly piece: number
  readonly leafStart?: number
  readonly leafCount?: number
  readonly hashes?: boolean
}

let requests = 0

/** Runs the commands of both exchange machines for one request. */
export function begin(
  from: Node,
  to: Node,
  made: Made,
  which: Which
): { request: RequestId; up: Promise<Result>; down: Promise<Result> } {
  const request = ++requests as RequestId
  const piece = which.piece as PieceIndex
  const leafStart = which.leafStart ?? 0
  const range = { piece, leafStart, leafCount: which.leafCount ?? made.layout.leavesOf(piece) - leafStart }
  const down = to.run({ kind: 'expect', peer: from.id, request, content: made.id, range })
  const up = from.run({ kind: 'upload', peer: to.id, request, content: made.id, range, hashes: which.hashes ?? true })
  return { request, up, down }
}

export async function transfer(from: Node, to: Node, made: Made, which: Which): Promise<{ up: Result; down: Result }> {
  const { up, down } = begin(from, to, made, which)
  return { up: await up, down: await down }
}

/** Opens a connection, so that both nodes know each other's address. */
export async function connect(a: Node, b: Node): Promise<void> {
  const content = '0'.repeat(64) as ContentId
  await a.run({ kind: 'manifest', content, peer: b.contact })
  await b.run({ kind: 'manifest', content, peer: a.contact })
}
