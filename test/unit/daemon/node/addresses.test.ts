import type os from 'node:os'
import { describe, expect, it } from 'vitest'
import { dialAddresses, movedAddresses, reachOf, reachWarning } from '../../../../src/daemon/node/addresses.ts'

type Interfaces = ReturnType<typeof os.networkInterfaces>

function interfaces(...hosts: string[]): Interfaces {
  return { some: hosts.map(address => ({ address }) as NonNullable<Interfaces[string]>[number]) }
}

const port = 7462
const anywhere = { listen: { host: '0.0.0.0', port: 0 }, advertise: undefined, port }
const hostsOf = (listening: typeof anywhere, ...hosts: string[]): string[] =>
  dialAddresses(listening, interfaces(...hosts)).map(({ host }) => host)

describe('others dial', () => {
  it('what is advertised, and nothing else', () => {
    const advertise = { host: 'example.org', port: undefined }
    expect(dialAddresses({ ...anywhere, advertise }, interfaces('10.0.0.1'))).toEqual([{ host: 'example.org', port }])
    const other = { host: 'example.org', port: 9 }
    expect(dialAddresses({ ...anywhere, advertise: other }, {})).toEqual([other])
  })

  it('where it listens, at the port that it got', () => {
    expect(dialAddresses({ ...anywhere, listen: { host: '127.0.0.1', port: 0 } }, interfaces('10.0.0.1'))).toEqual([
      { host: '127.0.0.1', port }
    ])
  })

  it('of all addresses the one that reaches furthest first, and only over what it hears', () => {
    const hosts = ['127.0.0.1', '::1', 'fe80::1', '169.254.1.1', 'fd00::1', '10.0.0.1', '2001:db8::1', '203.0.113.1']
    expect(hostsOf(anywhere, ...hosts)).toEqual(['203.0.113.1', '10.0.0.1'])
    const both = { ...anywhere, listen: { host: '::', port: 0 } }
    expect(hostsOf(both, ...hosts)).toEqual(['203.0.113.1', '2001:db8::1', '10.0.0.1', 'fd00::1'])
  })

  it('loopback where there is nothing else, and no more than a ticket holds', () => {
    expect(hostsOf(anywhere)).toEqual(['127.0.0.1'])
    expect(hostsOf(anywhere, ...Array.from({ length: 20 }, (_, i) => `10.0.0.${i}`))).toHaveLength(8)
  })
})

describe('the address that members are told', () => {
  const at = (...hosts: string[]) => hosts.map(host => ({ host, port }))
  const moved = (before: string, ...found: string[]): string[] | undefined =>
    movedAddresses([{ host: before, port }], at(...found))?.map(({ host }) => host)

  it('stays while the machine has it, also when a better one comes', () => {
    expect(moved('10.0.0.1', '203.0.113.1', '10.0.0.1', '192.168.0.1')).toEqual([
      '10.0.0.1',
      '203.0.113.1',
      '192.168.0.1'
    ])
  })

  it('becomes another one when it is gone', () => {
    expect(moved('10.0.0.1', '10.0.0.2', '10.0.0.3')).toEqual(['10.0.0.2', '10.0.0.3'])
    expect(moved('127.0.0.1', '10.0.0.2')).toEqual(['10.0.0.2'])
  })

  it('stays while there is no network at all', () => {
    expect(moved('10.0.0.1', '127.0.0.1')).toBeUndefined()
    expect(moved('10.0.0.1')).toBeUndefined()
    expect(moved('127.0.0.1', '127.0.0.1')).toEqual(['127.0.0.1'])
  })
})

it.each([
  ['127.0.0.1', 'loopback'],
  ['127.255.0.1', 'loopback'],
  ['::1', 'loopback'],
  ['localhost', 'loopback'],
  ['10.1.2.3', 'private'],
  ['172.15.255.255', 'public'],
  ['172.16.0.0', 'private'],
  ['172.32.0.0', 'public'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['fd12::1', 'private'],
  ['169.254.1.1', 'link'],
  ['fe80::1%eth0', 'link'],
  ['8.8.8.8', 'public'],
  ['2606:4700::1', 'public'],
  ['example.org', 'public']
])('%s reaches %s', (host, reach) => {
  expect(reachOf(host)).toBe(reach)
})

it('warns of a ticket that reaches nobody outside, and says what to do', () => {
  const warning = (...hosts: string[]): string => reachWarning(hosts.map(host => ({ host, port }))) ?? 'none'
  expect(warning('10.0.0.1', '203.0.113.1')).toBe('none')
  expect(warning('127.0.0.1', '10.0.0.1')).toMatch(/inside this network only \(127\.0\.0\.1:7462, 10.*--advertise/)
  expect(warning('127.0.0.1')).toMatch(/this machine only/)
})
