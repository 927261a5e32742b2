/** What others call BitTorrent v2 and what is shared here have one ID, and their torrents and links are as good as ours. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, torrentOf, writeCase } from '../fixtures/torrents/cases.ts'
import { Cluster, errorOf } from './cluster.ts'
import { contents } from './content.ts'

describe('torrents', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start(2)
  })
  afterAll(() => cluster.close())

  const get = async (what: string, name: string): Promise<{ id: string; found: Record<string, string> }> => {
    const { id, path } = await cluster.node(2).ok('get', [what, '-o', cluster.folder(`${name} fetched`)])
    await cluster.node(2).ok('rm', [id])
    return { id, found: contents(path) }
  }

  it.each(['single', 'many', 'executables'])(
    'one that libtorrent made names what is shared here, and can be fetched: %s',
    async name => {
      const one = cases.find(({ torrent }) => torrent === `${name}.torrent`)!
      const shared = writeCase(cluster.folder(name), one)
      expect(await cluster.node(1).ok('share', [shared])).toMatchObject({ id: one.contentId })
      const torrent = cluster.folder(one.torrent)
      fs.writeFileSync(torrent, torrentOf(one))
      expect(await get(torrent, name)).toEqual({ id: one.contentId, found: contents(shared) })
    }
  )

  it('one of BitTorrent v1 is refused by name', async () => {
    const torrent = cluster.folder('nested.v1.torrent')
    fs.writeFileSync(torrent, torrentOf(cases.find(({ kind }) => kind === 'v1')!))
    const answer = await cluster.node(2).run(['get', torrent, '-o', cluster.root])
    expect(answer.code).toBe(1)
    expect(errorOf(answer).message).toMatch(/v1/)
  })
})
