/** Converts addresses between Shoal's messages, sockets and libp2p's multiaddrs. */
import { isIP, isIPv6 } from 'node:net'
import { lookup } from 'node:dns/promises'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { ShoalError } from '../../base/errors.ts'
import { peerIdText, type NodeId } from '../../base/ids.ts'
import { addressText, type Address } from '../../wire/common.ts'

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** Turns an IPv4-mapped IPv6 address into plain IPv4, so that one address has one text. */
export function plainHost(host: string): string {
  return MAPPED_IPV4.exec(host)?.[1] ?? host
}

/** `/ip4/HOST/tcp/PORT`, with `/p2p/ID` for a node. The host is an IP literal. */
export function toMultiaddr(address: Address, id?: NodeId): Multiaddr {
  const lane = `/${isIPv6(address.host) ? 'ip6' : 'ip4'}/${address.host}/tcp/${address.port}`
  return multiaddr(id === undefined ? lane : `${lane}/p2p/${peerIdText(id)}`)
}

/** The host and port of `/ip4/…/tcp/…` and `/ip6/…/tcp/…`; undefined for anything else. */
export function fromMultiaddr(address: Multiaddr): Address | undefined {
  const [host, port] = address.getComponents()
  if (host?.value === undefined || port?.name !== 'tcp' || isIP(host.value) === 0) return undefined
  return { host: plainHost(host.value), port: Number(port.value) }
}

/**
 * The same address with an IP literal, from the system's resolver. Throws ShoalError 'not-found' or the signal's
 * reason.
 */
export async function resolveAddress(address: Address, signal: AbortSignal): Promise<Address> {
  if (isIP(address.host) !== 0) return address
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort)
  try {
    signal.throwIfAborted()
    const found = await Promise.race([lookup(address.host), aborted])
    return { host: found.address, port: address.port }
  } catch (cause) {
    signal.throwIfAborted()
    throw new ShoalError('not-found', `no address is known for ${addressText(address)}`, {
      hint: 'check the name, or use an IP address',
      cause
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The error for a port that is in use. */
export function portInUse(lane: 'TCP' | 'UDP', address: Address, cause: unknown): ShoalError {
  return new ShoalError('conflict', `${lane} port ${address.port} on ${address.host} is in use`, {
    hint: 'stop the program that has it, or choose another port, 0 for any free one: shoal config set listen HOST:PORT',
    cause
  })
}
