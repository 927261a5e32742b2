/**
 * When the receiver of a stream gives its sender new credit. yamux leaves that to the receiver; the library answers each data frame
 * with a window update, which doubles the frames, ciphers and socket writes of everything that is said in small messages.
 * Here an update goes out once a quarter of the window is used up, so that a sender always has three quarters under way.
 *
 * The library has no option for it, so the method of a stream is wrapped. Where it looks different one day nothing is
 * wrapped, and test/integration/net/frames.test.ts says so.
 */
import type { Stream } from '@libp2p/interface'

const UPDATE_SHARE = 0.25
/** yamux's states: flags of the handshake ride on an update, and a pause is told to it, in all others. */
const ESTABLISHED = 3

interface Receiver {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/** Returns the stream. */
export function creditLate(stream: Stream): Stream {
  const receiver = stream as unknown as Partial<Receiver>
  if (isReceiver(receiver)) {
    const update = receiver.sendWindowUpdate.bind(receiver)
    receiver.sendWindowUpdate = () => {
      const usedBytes = receiver.recvWindow - receiver.recvWindowCapacity
      if (receiver.state !== ESTABLISHED || usedBytes >= UPDATE_SHARE * receiver.recvWindow) update()
    }
  }
  return stream
}

function isReceiver(stream: Partial<Receiver>): stream is Receiver {
  const { state, recvWindow, recvWindowCapacity, sendWindowUpdate } = stream
  const numbers = [state, recvWindow, recvWindowCapacity].every(one => typeof one === 'number')
  return numbers && typeof sendWindowUpdate === 'function'
}
