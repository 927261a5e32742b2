/** Daemons that find each other by a ticket in a file, as containers do: nobody types anything to them. */
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cluster, until } from './cluster.ts'

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.empty()
})

afterEach(async () => {
  await cluster.close()
})

it('a node without an overlay waits for the ticket that another one leaves, and joins', async () => {
  const file = cluster.folder('ticket')
  const inviter = cluster.add('n1', { SHOAL_INVITE_FILE: file })
  const waiting = cluster.add('n2', { SHOAL_TICKET_FILE: file })
  const ready = waiting.start()
  const log = path.join(waiting.home, 'log', 'daemon.log')
  const waits = (): boolean => fs.existsSync(log) && waiting.logged('waiting for a ticket').length === 1
  await until('it says what it waits for', waits)
  await inviter.start()
  await ready
  await cluster.converged()
  // It is full membership: nobody else may read it.
  expect(fs.statSync(file).mode & 0o777).toBe(0o600)
})

it('the ticket tells of members that came later, so that it is of use while the inviter is away', async () => {
  const file = cluster.folder('ticket')
  const inviter = cluster.add('n1', { SHOAL_INVITE_FILE: file })
  const second = cluster.add('n2', { SHOAL_TICKET_FILE: file })
  await inviter.start()
  const alone = fs.readFileSync(file, 'utf8')
  await second.start()
  await cluster.converged()
  await until('the ticket is written anew', () => fs.readFileSync(file, 'utf8') !== alone)
  await inviter.stop()
  const third = cluster.add('n3', { SHOAL_TICKET_FILE: file })
  await third.start()
  await cluster.converged()
})

it('all come back at other addresses, and find each other by the ticket', async () => {
  const file = cluster.folder('ticket')
  const inviter = cluster.add('n1', { SHOAL_INVITE_FILE: file })
  const others = ['n2', 'n3'].map(name => cluster.add(name, { SHOAL_TICKET_FILE: file }))
  await inviter.start()
  for (const one of others) await one.start()
  await cluster.converged()
  for (const one of [inviter, ...others]) await one.kill('SIGKILL')
  for (const one of [...others, inviter]) await one.start({ listen: '127.0.0.1:0' })
  await cluster.converged()
})

it('a node that met members of another overlay stays there, and says so', async () => {
  const [a, b] = [await cluster.found('n1'), await cluster.join('n2')]
  await cluster.converged()
  const file = cluster.folder('ticket')
  const stranger = cluster.add('n3', { SHOAL_INVITE_FILE: file })
  await stranger.start()
  const overlay = (await a.ask('status', {})).overlay
  await b.stop()
  b.env['SHOAL_TICKET_FILE'] = file
  await b.start()
  await until('it says why not', () => b.logged(OTHER_OVERLAY).length > 0)
  expect((await b.ask('status', {})).overlay).toBe(overlay)
})

it('what is no ticket ends the start at once', async () => {
  const file = cluster.folder('ticket')
  fs.writeFileSync(file, 'shoal1abc')
  const waiting = cluster.add('n1', { SHOAL_TICKET_FILE: file })
  await expect(waiting.start()).rejects.toThrow(`${file}: this ticket is incomplete`)
})

const OTHER_OVERLAY = 'its ticket is for another overlay: `shoal leave`, then `shoal join` goes there'
