/**
 * Delays the window updates of a yamux stream. yamux lets the receiver choose when to send them. The library sends one
 * for each data frame, which doubles the frames, encryptions and socket writes of small messages. Here an update is
 * sent once a quarter of the window is used, so the sender always has at least three quarters of it.
 *
 * The library has no option for this, so the stream's method is wrapped. If a later version of the library has other
 * fields, nothing is wrapped, and test/integration/net/frames.test.ts fails.
 */
import type { Stream } from '@libp2p/interface'

const UPDATE_SHARE = 0.25
/**
 * yamux's state of an open stream. In other states the library's method runs unchanged: it also sends handshake flags.
 */
const ESTABLISHED = 3

interface Receiver {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/** Wraps the stream's window updates, and returns the stream. */
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
