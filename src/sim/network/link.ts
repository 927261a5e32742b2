/** The parts of a link: its two ends, the connection between them, and the dial that may become one. */
import type { Contact } from '../../wire/common.ts'
import type { SimHost } from './host.ts'

/** Messages and bulk each keep their own order: they are different streams over one connection. */
export type Lane = 'message' | 'bulk'

/** What travels; the world knows what to do with it when it arrives. */
export interface Packet {
  arrive(at: SimHost, from: Contact): void
}

/** One host's end of a link that came up there. */
export class End {
  readonly host: SimHost
  readonly peer: Contact
  readonly boot: number
  readonly connection: Connection
  state: 'new' | 'up' | 'down' = 'new'
  /** When the last packet sent from here arrives there. */
  readonly lastArrivalMs = { message: 0, bulk: 0 }
  /** Its host is stopped and takes no more. */
  full = false
  /** Sent while the path was cut. */
  stalled: Array<{ packet: Packet; lane: Lane }> = []

  constructor(host: SimHost, peer: Contact, connection: Connection) {
    this.host = host
    this.peer = peer
    this.boot = host.boots
    this.connection = connection
  }

  /** The end at the other side; it comes up a little earlier or later. */
  get other(): End {
    const { near, far } = this.connection
    return this === near ? far : near
  }

  get alive(): boolean {
    return this.state === 'up' && this.boot === this.host.boots && this.host.process !== 'off'
  }
}

/** Stands until both its ends are down. */
export class Connection {
  /** Of the one that was dialled, and of the dialler. */
  readonly near: End
  readonly far: End
  /** Counts when the path is cut or healed. */
  epoch = 0
  blocked = false

  constructor(dial: Dial, target: SimHost) {
    this.near = new End(target, dial.host.contact, this)
    this.far = new End(dial.host, dial.to, this)
  }
}

/** An attempt to open a link, and what waits for it. */
export class Dial {
  readonly host: SimHost
  readonly boot: number
  readonly to: Contact
  readonly queue: Packet[] = []
  /** Once the other side has accepted. */
  end: End | undefined

  constructor(host: SimHost, to: Contact) {
    this.host = host
    this.boot = host.boots
    this.to = to
  }
}
