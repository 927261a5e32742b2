/** The parts of a link: its two ends, the connection between them, and the dial that may become one. */
import type { Contact } from '../../wire/common.ts'
import type { SimHost } from './host.ts'

/** Messages and bulk each keep their own order: they are different streams over one connection. */
export type Lane = 'message' | 'bulk'

/** Something sent over a link. The world defines what happens when it arrives. */
export interface Packet {
  arrive(at: SimHost, from: Contact): void
}

/** One host's end of a link. */
export class End {
  readonly host: SimHost
  readonly peer: Contact
  readonly boot: number
  readonly connection: Connection
  state: 'new' | 'up' | 'down' = 'new'
  /** When the last packet sent from this end arrives at the other end. */
  readonly lastArrivalMs = { message: 0, bulk: 0 }
  /** The backlog of the paused host is full; further packets are dropped. */
  full = false
  /** Packets that were sent while the path was cut. */
  stalled: Array<{ packet: Packet; lane: Lane }> = []

  constructor(host: SimHost, peer: Contact, connection: Connection) {
    this.host = host
    this.peer = peer
    this.boot = host.boots
    this.connection = connection
  }

  /** The end at the peer. It comes up a little earlier or later than this one. */
  get other(): End {
    const { near, far } = this.connection
    return this === near ? far : near
  }

  get alive(): boolean {
    return this.state === 'up' && this.boot === this.host.boots && this.host.process !== 'off'
  }
}

/** A connection of two ends. It exists until both ends are down. */
export class Connection {
  /** `near` is the end of the dialled host, `far` that of the dialling host. */
  readonly near: End
  readonly far: End
  /** Incremented when the path is cut or healed. */
  epoch = 0
  blocked = false

  constructor(dial: Dial, target: SimHost) {
    this.near = new End(target, dial.host.contact, this)
    this.far = new End(dial.host, dial.to, this)
  }
}

/** An attempt to open a link, and the packets that wait for it. */
export class Dial {
  readonly host: SimHost
  readonly boot: number
  readonly to: Contact
  readonly queue: Packet[] = []
  /** Set once the other side has accepted. */
  end: End | undefined

  constructor(host: SimHost, to: Contact) {
    this.host = host
    this.boot = host.boots
    this.to = to
  }
}
