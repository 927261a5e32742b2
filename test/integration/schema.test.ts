/** Every line that a real daemon sends has the fields of its method's schema, and no others: the client would drop them. */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventOf, resultOf } from '../../src/wire/control/check.ts'
import { parseSocketNote, SOCKET_NAME_FILE } from '../../src/wire/control/home.ts'
import { METHODS, type ControlMethod } from '../../src/wire/control/methods.ts'
import { Cluster, type Daemon } from './cluster.ts'
import { makeFile } from './content.ts'

type Line = Record<string, unknown>

let cluster: Cluster
let id: string
/** A content that cannot be fetched whole: a file of it is missing. */
let unfinished: string
const called = new Set<string>()

beforeAll(async () => {
  cluster = await Cluster.start(2)
  await cluster.converged()
  const folder = cluster.folder('album')
  makeFile(path.join(folder, 'sub/sea.jpg'), 300_000)
  fs.mkdirSync(path.join(folder, 'empty'))
  fs.symlinkSync('sub', path.join(folder, 'link'))
  const broken = cluster.folder('broken')
  for (const name of ['kept', 'deleted']) makeFile(path.join(broken, name), 20_000, name)
  const { shares } = await cluster.node(2).ask('share', { paths: [folder, broken] })
  id = shares[0]!.id
  unfinished = shares[1]!.id
  fs.rmSync(path.join(broken, 'deleted'))
})
afterAll(() => cluster.close())

/** The lines of an answer as they came, without `v`; `last`: how many to read from a method that only ends when one hangs up. */
async function linesOf(daemon: Daemon, method: string, params: object, last?: number): Promise<Line[]> {
  const { socket: socketPath } = parseSocketNote(fs.readFileSync(path.join(daemon.home, SOCKET_NAME_FILE), 'utf8'))
  const request = http.request({ socketPath, path: `/v1/${method}`, method: 'POST' })
  request.end(JSON.stringify(params))
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  let all = ''
  if (last === undefined) all = await text(response)
  else {
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
      all += chunk
      if (all.split('\n').length > last) break
    }
  }
  const whole = all.split('\n').filter(line => line.endsWith('}'))
  return whole.map(line => {
    const { v, ...fields } = JSON.parse(line) as Line
    expect(v).toBe(1)
    return fields
  })
}

it.each<[ControlMethod, (content: string, folder: string) => object, number?]>([
  ['hello', () => ({})],
  ['invite', () => ({})],
  ['members', () => ({ wait: 2, timeoutMs: 60_000 })],
  ['share', (_, folder) => ({ paths: [folder], unlisted: true })],
  ['ls', () => ({})],
  ['ls', () => ({ all: true })],
  ['ls', content => ({ id: content })],
  ['search', () => ({ text: 'sea', trace: true, tellMs: 0 })],
  ['get', (content, folder) => ({ what: content, dir: `${folder}/..` })],
  ['cat', content => ({ what: content, path: 'sub/sea.jpg' }), 1],
  ['status', () => ({})],
  ['status', () => ({ follow: true }), 1],
  ['top', () => ({})],
  ['top', () => ({ follow: true }), 2],
  ['doctor', () => ({ client: '0.0.0' })],
  ['ring', () => ({})],
  ['ring.lookup', () => ({ key: 'sea' })],
  ['get', (_, folder) => ({ what: unfinished, dir: path.join(folder, '../fetched') }), 2],
  ['pause', () => ({ id: unfinished })],
  ['rm', content => ({ id: content, yes: true, deleteFiles: true })],
  ['leave', () => ({})],
  ['stop', () => ({})]
])('%s', async (method, paramsOf, last) => {
  const own = cluster.folder('own')
  makeFile(path.join(own, 'file'), 20_000)
  const lines = await linesOf(cluster.node(1), method, paramsOf(id, own), last)
  expect(lines.length).toBeGreaterThan(0)
  for (const line of lines) {
    expect(line['error']).toBeUndefined()
    const isResult = line['event'] === undefined || line['event'] === 'done'
    const schema = METHODS[method]
    expect(isResult ? resultOf(schema, line) : eventOf(schema, line)).toEqual(line)
  }
  called.add(method)
})

it('covers every method but join, whose answer cluster.join reads', () => {
  expect([...called, 'join'].toSorted()).toEqual(Object.keys(METHODS).toSorted())
})
