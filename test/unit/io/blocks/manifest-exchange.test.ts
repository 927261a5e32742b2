import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { expectDefined } from '../../../../src/base/assert.ts'
import { sha256Hex } from '../../../../src/base/bytes.ts'
import type { ContentId } from '../../../../src/base/ids.ts'
import type { Result } from '../../../../src/core/machine.ts'
import { ManifestExchange } from '../../../../src/io/blocks/manifest-exchange.ts'
import type { BlockNet } from '../../../../src/io/blocks/block-net.ts'
import { manifestHead } from '../../../../src/wire/blocks.ts'
import { encode, tryDecode } from '../../../../src/wire/codec/codec.ts'
import { lineage } from '../../../../src/wire/lineage.ts'
import { makeContent, randomBytes, startDownload, type Made } from '../store/contents.ts'
import { share, shareIn, startNode, type Node } from './nodes.ts'

const PIECE = 64 << 10
const signal = new AbortController().signal

const content = (): Made => makeContent('big.bin', { 'big.bin': { bytes: randomBytes('big', 3 * PIECE) } }, PIECE)
const ask = (leech: Node, made: Made, seed: Node): Promise<Result> =>
  leech.run({ kind: 'manifest', content: made.id, peer: seed.contact })

it('a manifest is fetched from a peer, verified and stored', async () => {
  const made = content()
  const [seed, leech] = [await startNode(), await startNode()]
  await share(seed, made)
  expect(await ask(leech, made, seed)).toEqual({ ok: true })
  const held = expectDefined(await leech.place.store.manifest(made.id), 'kept')
  expect(Buffer.from(held.layers).equals(made.layers)).toBe(true)
  await seed.net.close()
  expect(await ask(leech, made, seed)).toEqual({ ok: true })
})

it('a manifest larger than the window of a stream arrives complete', async () => {
  const names = Array.from({ length: 12_000 }, (_, n) => `name-${n}-${'x'.repeat(60)}`)
  const made = makeContent(
    'many',
    Object.fromEntries(names.map((name, n) => [name, { bytes: Uint8Array.of(n & 0xff, n >> 8) }]))
  )
  const [seed, leech] = [await startNode(), await startNode()]
  await startDownload(seed.place, made)
  expect(made.info.length).toBeGreaterThan(1 << 20)
  expect(await ask(leech, made, seed)).toEqual({ ok: true })
  expect((await leech.place.store.manifest(made.id))?.manifest.files.length).toBe(12_000)
})

it('a manifest is not served when it is unknown or fetched with --no-share', async () => {
  const made = content()
  const [seed, leech] = [await startNode(), await startNode()]
  expect(await ask(leech, made, seed)).toEqual({ ok: false, reason: 'not-held' })
  await seed.place.store.putManifest(made.id, made.info, made.layers)
  await seed.place.store.addDownload({
    content: made.id,
    folder: seed.place.target,
    include: [],
    overwrite: false,
    serve: false
  })
  expect(await ask(leech, made, seed)).toEqual({ ok: false, reason: 'not-held' })
  await seed.net.close()
  expect(await ask(leech, made, seed)).toEqual({ ok: false, reason: 'link' })
})

it('a manifest says whether its content is unlisted, and a node that fetched it serves it with that mark', async () => {
  const made = content()
  const [seed, second, third] = [await startNode(), await startNode(), await startNode()]
  await share(seed, made)
  await seed.place.store.setUnlisted(made.id, true)
  expect(await ask(second, made, seed)).toEqual({ ok: true })
  expect(second.place.store.isUnlisted(made.id)).toBe(true)
  await startDownload(second.place, made)
  expect(await ask(third, made, second)).toEqual({ ok: true })
  expect(third.place.store.isUnlisted(made.id)).toBe(true)
})

it('a manifest has the lineage claim of its content, and a node that fetched it serves the claim too', async () => {
  const old = content()
  const made = makeContent('big.bin', { 'big.bin': { bytes: randomBytes('new', 2 * PIECE) } }, PIECE)
  const [seed, second, third] = [await startNode(), await startNode(), await startNode()]
  await share(seed, old)
  await share(seed, made)
  const lineages = [old, made].map(({ id }) => tryDecode(lineage, seed.place.store.lineage(id)))
  expect(lineages.map(known => known?.replaces)).toEqual([[], [old.id]])
  for (const one of [old, made]) {
    expect(await ask(second, one, seed)).toEqual({ ok: true })
    await startDownload(second.place, one)
    expect(await ask(third, one, second)).toEqual({ ok: true })
    expect(third.place.store.lineage(one.id)).toEqual(seed.place.store.lineage(one.id))
  }
})

it('a manifest of a listed content does not name the unlisted ones that it replaces', async () => {
  const versions = ['a', 'b', 'c'].map(seed =>
    makeContent('big.bin', { 'big.bin': { bytes: randomBytes(seed, PIECE) } }, PIECE)
  )
  const [first, second, third] = versions as [Made, Made, Made]
  const { place } = await startNode()
  const replaces = (made: Made): readonly string[] | undefined =>
    tryDecode(lineage, place.store.lineage(made.id))?.replaces
  for (const made of [first, second]) {
    await place.store.setUnlisted(made.id, true)
    await shareIn(place, made)
  }
  expect(replaces(second)).toEqual([first.id])
  await shareIn(place, third)
  expect(replaces(third)).toEqual([])
  await place.store.setUnlisted(second.id, false)
  expect(replaces(second)).toBeUndefined()
})

it('a manifest that is cut short, damaged or of another content is refused and not stored', async () => {
  const made = content()
  const other = makeContent('other', { a: { bytes: randomBytes('a', 5 * PIECE) } }, PIECE)
  const damaged = Uint8Array.from(made.layers)
  damaged[0] = ~(damaged[0] ?? 0)
  const head = (info: Uint8Array, layers: Uint8Array): Uint8Array =>
    encode(manifestHead, { status: 'ok', lineageBytes: 0, infoBytes: info.length, layerBytes: layers.length })
  const answers: Array<[Uint8Array[], string]> = [
    [[head(other.info, other.layers), other.info, other.layers], 'bad-manifest'],
    [[head(made.info, made.layers.subarray(32)), made.info, made.layers.subarray(32)], 'bad-manifest'],
    [[head(made.info, damaged), made.info, damaged], 'bad-manifest'],
    [[head(made.info.subarray(1), made.layers), made.info.subarray(1), made.layers], 'bad-manifest'],
    [[Uint8Array.of(0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)], 'bad-manifest'],
    [[Uint8Array.of(0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0)], 'bad-manifest'],
    [[head(made.info, made.layers), made.info.subarray(1)], 'link']
  ]
  const leech = await startNode()
  const liar = await startNode()
  for (const [index, [parts, reason]] of answers.entries()) {
    await liar.net.handle(`/test/${index}`, async (_, stream) => {
      for (const part of parts) await stream.write(part, signal)
      await stream.close(signal)
    })
    const net: BlockNet = {
      ...leech.net,
      openStream: (to, _, stop) => leech.net.openStream(to, `/test/${index}`, stop)
    }
    const exchange = new ManifestExchange({ net, store: leech.place.store, signal })
    expect([index, await exchange.fetch(made.id, liar.contact)]).toEqual([index, { ok: false, reason }])
  }
  expect(readdirSync(join(leech.place.home, 'manifests'))).toEqual([])
})

it('an invalid manifest with the hash of the content is reported to the watchers of the store', async () => {
  const info = Buffer.from('d9:file treede12:meta versioni2e4:name2:..12:piece lengthi16384ee')
  const id = sha256Hex(info) as ContentId
  const [leech, holder] = [await startNode(), await startNode()]
  await holder.net.handle('/test/own', async (_, stream) => {
    await stream.write(
      encode(manifestHead, { status: 'ok', lineageBytes: 0, infoBytes: info.length, layerBytes: 0 }),
      signal
    )
    await stream.write(info, signal)
    await stream.close(signal)
  })
  const net: BlockNet = { ...leech.net, openStream: (to, _, stop) => leech.net.openStream(to, '/test/own', stop) }
  const told: ContentId[] = []
  leech.place.store.watch(content => told.push(content))
  const exchange = new ManifestExchange({ net, store: leech.place.store, signal })
  expect(await exchange.fetch(id, holder.contact)).toEqual({ ok: false, reason: 'bad-manifest' })
  expect(leech.place.store.problem(id)).toMatchObject({ code: 'bad-input' })
  expect(told).toEqual([id])
})
