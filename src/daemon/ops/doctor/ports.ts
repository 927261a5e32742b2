/** Whether the port could be had, lane by lane, where no daemon holds it. */
import dgram from 'node:dgram'
import net from 'node:net'
import { isIPv6 } from 'node:net'
import { resolveAddress } from '../../../io/net/address.ts'
import { addressText, type Address } from '../../../wire/common.ts'
import type { DoctorRow } from '../../../wire/control/doctor.ts'

const RESOLVE_MS = 3_000

export async function portRow(lane: 'tcp' | 'udp', listen: Address): Promise<DoctorRow> {
  const address = await resolveAddress(listen, AbortSignal.timeout(RESOLVE_MS))
  const problem = await (lane === 'tcp' ? bindTcp(address) : bindUdp(address))
  const where = `${lane.toUpperCase()} ${addressText(listen)}`
  if (problem === undefined) return { check: lane, status: 'ok', text: `${where} is free for the daemon` }
  const text = problem === 'EADDRINUSE' ? `${where} is in use by another program` : `${where} cannot be had: ${problem}`
  return { check: lane, status: 'fail', text, fix: 'end that program, or choose: shoal config set listen HOST:PORT' }
}

/** The code of what went wrong. */
function bindTcp({ host, port }: Address): Promise<string | undefined> {
  return new Promise(resolve => {
    const server = net.createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

function bindUdp({ host, port }: Address): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = dgram.createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close()
      resolve(error.code ?? error.message)
    })
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(undefined)))
  })
}
