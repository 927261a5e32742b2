/** The part of the network interface that the transfer of blocks and manifests uses. */
import type { NodeId } from '../../base/ids.ts'
import type { Address, Contact } from '../../wire/common.ts'
import type { ByteStream } from '../net/stream/byte-stream.ts'

export interface BlockNet {
  openStream(to: Contact, protocol: string, signal: AbortSignal): Promise<ByteStream>
  handle(
    protocol: string,
    handler: (peer: NodeId, stream: ByteStream) => void | Promise<void>,
    options?: { maxInbound?: number }
  ): Promise<void>
  addressOf(peer: NodeId): Address | undefined
}
