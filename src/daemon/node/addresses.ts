/** Which addresses of this node others should dial, and how far each of them reaches. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import os from 'node:os'
import { addressText, sameAddress, type Address } from '../../wire/common.ts'
import type { Settings } from '../../wire/control/settings.ts'
import { TICKET_CONTACTS_MAX } from '../../wire/ticket.ts'

type Interfaces = ReturnType<typeof os.networkInterfaces>

export interface Listening {
  listen: Settings['listen']
  advertise: Settings['advertise']
  /** Where it listens in fact: `listen` may have left the choice to the system. */
  port: number
}

const REACH = ['public', 'private', 'link', 'loopback'] as const
/** A DNS name counts as public: somebody made it so that others find the way. */
export type Reach = (typeof REACH)[number]

/**
 * What others may dial, the one that reaches furthest first, at most TICKET_CONTACTS_MAX; never empty. What is advertised
 * stands alone: whoever says it knows better than this machine does.
 */
export function dialAddresses(
  { listen, advertise, port }: Listening,
  interfaces: Interfaces = os.networkInterfaces()
): Address[] {
  if (advertise !== undefined) return [{ host: advertise.host, port: advertise.port ?? port }]
  if (!isWildcard(listen.host)) return [{ host: listen.host, port }]
  const hosts = Object.values(interfaces)
    .flatMap(list => list ?? [])
    .map(({ address }) => address)
    .filter(host => isUsable(host, listen.host))
  const sorted = [...new Set(hosts)].sort((a, b) => rank(a) - rank(b))
  const chosen = sorted.length > 0 ? sorted : ['127.0.0.1']
  return chosen.slice(0, TICKET_CONTACTS_MAX).map(host => ({ host, port }))
}

/**
 * The addresses of a node that was known by `before`, now that `found` are what it has: the first stays as long as it is among
 * them, for every change is news to all members. Undefined where the network is gone: that is no address to tell.
 */
export function movedAddresses(
  before: readonly [Address, ...Address[]],
  found: readonly Address[]
): readonly [Address, ...Address[]] | undefined {
  const [told] = before
  const [first, ...further] = found
  if (first === undefined || (reachOf(first.host) === 'loopback' && reachOf(told.host) !== 'loopback')) return undefined
  if (!found.some(one => sameAddress(one, told))) return [first, ...further]
  return [told, ...found.filter(one => !sameAddress(one, told))]
}

/** Undefined where somebody outside this network could dial one of them. */
export function reachWarning(addresses: readonly Address[]): string | undefined {
  const reaches = new Set(addresses.map(({ host }) => reachOf(host)))
  const texts = addresses.map(addressText).join(', ')
  const advice = 'shoal daemon --advertise HOST[:PORT] says what others must dial'
  if (reaches.has('public')) return undefined
  if (reaches.has('private')) return `the ticket works inside this network only (${texts}); ${advice}`
  return `the ticket works on this machine only (${texts}); ${advice}`
}

/** `host`: an IP literal, or a name. */
export function reachOf(host: string): Reach {
  const bare = host.replace(/%.*$/, '')
  const family = isIPv4(bare) ? 'ipv4' : isIPv6(bare) ? 'ipv6' : undefined
  if (family === undefined) return bare === 'localhost' || bare.endsWith('.localhost') ? 'loopback' : 'public'
  if (LOOPBACK.check(bare, family)) return 'loopback'
  if (LINK.check(bare, family)) return 'link'
  return PRIVATE.check(bare, family) ? 'private' : 'public'
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host)
}

/** A link-local address means nothing without the interface; a socket on 0.0.0.0 hears no IPv6. */
function isUsable(host: string, listenHost: string): boolean {
  const reach = reachOf(host)
  return reach !== 'loopback' && reach !== 'link' && (isIPv4(host) || listenHost !== '0.0.0.0')
}

/** IPv4 before IPv6: what cannot be dialled costs a newcomer a timeout. */
function rank(host: string): number {
  return REACH.indexOf(reachOf(host)) * 2 + (isIPv4(host) ? 0 : 1)
}

const LOOPBACK = subnets(['127.0.0.0', 8], ['::1', 128], ['0.0.0.0', 32], ['::', 128])
const LINK = subnets(['169.254.0.0', 16], ['fe80::', 10])
/** RFC 1918, RFC 6598 (carriers), RFC 4193. */
const PRIVATE = subnets(['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['fc00::', 7])

function subnets(...nets: ReadonlyArray<readonly [net: string, prefix: number]>): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of nets) list.addSubnet(net, prefix, isIPv4(net) ? 'ipv4' : 'ipv6')
  return list
}
