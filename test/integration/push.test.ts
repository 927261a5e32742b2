/** A holder that nobody can dial: search carries a push to it, it dials, and what it alone has is fetched. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster, type Daemon } from './cluster.ts'
import { makeFile, sha256 } from './content.ts'

/** So many that most are no neighbours of the holder in the flooding graph, and have no link with it. */
const OTHERS = 9
const FILE_BYTES = 1_000_000

describe('a holder that takes no connections', () => {
  let cluster: Cluster
  let holder: Daemon
  let file: string
  let id: string
  beforeAll(async () => {
    cluster = await Cluster.start(OTHERS)
    holder = await cluster.join('deaf', { peer: ['--deaf'] })
    await cluster.converged()
    file = makeFile(cluster.folder('hidden.bin'), FILE_BYTES)
    const { shares } = await holder.ask('share', { paths: [file] })
    id = shares[0]!.id
  })
  afterAll(() => cluster.close())

  it('refuses who dials it', async () => {
    const port = Number(holder.address.split(':').at(-1))
    const outcome = await new Promise<string>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve('connected'))
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!))
    })
    expect(outcome).toBe('ECONNREFUSED')
  })

  it('is asked by a push to dial, and serves everybody', async () => {
    const digest = sha256(file)
    for (let i = 1; i <= OTHERS; i++) {
      const target = cluster.folder(`got-${i}`)
      await cluster.node(i).ok('get', [id, '-o', target, '--no-share'])
      expect(sha256(`${target}/hidden.bin`)).toBe(digest)
    }
  })
})
