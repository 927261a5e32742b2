/** `shoal doctor` on real daemons, and on homes without one. */
import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DoctorRow } from '../../../src/wire/control/doctor.ts'
import { Cluster, until, type Answer } from '../cluster.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.start(3)
})
afterAll(() => cluster.close())

const rowsOf = ({ lines }: Answer): DoctorRow[] => lines.at(-1)!['rows'] as DoctorRow[]
const statusOf = (answer: Answer, check: string): string | undefined =>
  rowsOf(answer).find(row => row.check === check)?.status

describe('shoal doctor', () => {
  it('finds both lanes answered by the two others', async () => {
    const answer = await until('the others have answered pings', async () => {
      const seen = await cluster.node(1).run(['doctor'])
      return statusOf(seen, 'udp') === 'ok' && seen
    })
    expect(answer.code).toBe(0)
    expect(statusOf(answer, 'tcp')).toBe('ok')
    expect(rowsOf(answer).find(({ check }) => check === 'tcp')?.text).toContain('2 of 2 members answer over TCP')
    expect(statusOf(answer, 'peers')).toBe('ok')
  })

  it('ends with 1 and the fix when a secret is open to others', async () => {
    const { home } = cluster.node(2)
    fs.chmodSync(home, 0o755)
    const answer = await cluster.node(2).run(['doctor'])
    fs.chmodSync(home, 0o700)
    expect(answer.code).toBe(1)
    expect(answer.lines.at(-1)).toMatchObject({ ok: false })
    expect(rowsOf(answer).find(({ check }) => check === 'home')).toMatchObject({
      ...{ status: 'fail', fix: `chmod go= ${home}` }
    })
    expect((await cluster.node(2).run(['doctor'])).code).toBe(0)
  })

  it('does not call a lane well on which nobody answers', async () => {
    await cluster.node(2).kill('SIGSTOP')
    await cluster.node(3).kill('SIGSTOP')
    const answer = await cluster.node(1).run(['doctor'])
    expect(statusOf(answer, 'tcp')).not.toBe('ok')
    await cluster.node(2).kill('SIGCONT')
    await cluster.node(3).kill('SIGCONT')
  })

  it('says that none runs, and tries the ports', async () => {
    const node = cluster.node(3)
    await node.stop()
    const answer = await node.run(['doctor'])
    expect([answer.code, statusOf(answer, 'daemon'), statusOf(answer, 'tcp'), statusOf(answer, 'udp')]).toEqual([
      ...[0, 'warn', 'ok', 'ok']
    ])
    expect(rowsOf(answer)[0]?.fix).toContain('daemon --detach')
  })
})
