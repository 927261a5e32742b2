/**
 * Sealed datagrams without a socket. Inputs: received datagrams, payloads to send, the time. Outputs: datagrams to
 * transmit and payloads to deliver.
 *
 * Participants: this node, members (who hold an overlay key) and outsiders (who do not, but may record, modify and
 * replay datagrams of members, from any address). Forged and modified datagrams get no answer. An outsider that replays
 * datagrams of a member's current boot to a node that has restarted since gets at most one answer for each, never
 * larger than the replayed datagram, and only affects which counters were seen.
 *
 * A member proves itself by echoing a fresh nonce of ours. The echo proves that its boot counter is current (its
 * payloads are delivered only then), and that it is reachable at the address to which the nonce was sent (only then is
 * more sent to that address than arrived from it).
 *
 *     A                                B
 *     hello {a}       ------------->            A has a payload for B; nothing is proven yet
 *                     <-------------   welcome {echo a, nonce b}
 *     confirm {b}     ------------->            B is proven to A; the confirm proves A to B
 *     data ...        ------------->
 *
 * Data of an unproven boot (B restarted, or the confirm was lost) is held back and answered with a hello. Only hellos
 * are retransmitted; acknowledgement and retransmission of data are left to the protocols above.
 *
 * A member behind a NAT sends from another address than the one that it announces, and never answers there. Payloads
 * for a silent address are therefore also sent to the address from which the member was heard last.
 *
 * States of a boot: candidate (opened by our key, not proven), proven. States of a path (an address of a peer):
 * proving, proven, silent (no answer to any hello).
 */
import type { KeyObject } from 'node:crypto'
import { assert, expectDefined } from '../../../base/assert.ts'
import { LruMap } from '../../../base/bounded.ts'
import { equal } from '../../../base/bytes.ts'
import { idBytes, type NodeId, type OverlayId } from '../../../base/ids.ts'
import { after, earliest, type Instant } from '../../../base/time.ts'
import { encode, tryDecode } from '../../../wire/codec/codec.ts'
import { addressText, DATAGRAM_PAYLOAD_BYTES_MAX, type Address, type Contact } from '../../../wire/common.ts'
import {
  datagramBody,
  datagramHeader,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  DATAGRAM_HEADER_BYTES,
  DATAGRAM_VERSION,
  overlayTag,
  sameOverlay,
  type DatagramBody
} from '../../../wire/datagram.ts'
import type { RefusalReason } from '../refusals.ts'
import { open, seal, sealKey } from './seal.ts'
import { ReplayWindow } from './window.ts'

/** Members whose boot and addresses are kept; an evicted member must prove itself again. */
export const PEERS_MAX = 4_096
/** Addresses of one member. */
export const PATHS_MAX = 4
/** Members whose highest boot counter is kept. */
export const BOOTS_MAX = 65_536
/** Payloads that wait until a path is proven; the oldest is dropped when the queue is full. */
export const QUEUED_MAX = 8
/** Payloads of an unproven boot that are held back; further ones are dropped. */
export const HELD_MAX = 8
/** Bytes of all queued and held payloads, over all peers. */
export const WAITING_BYTES_MAX = 2 << 20
/** Time between two hellos; at most HELLO_TRIES are sent. */
export const HELLO_INTERVAL_MS = 250
export const HELLO_TRIES = 4
/** How long a nonce is valid and payloads wait: longer than all tries plus the slowest round trip. */
export const PROOF_MS = 2_000
/**
 * A path without a received datagram for this long must be proven again: the address may belong to another host by now.
 */
export const PATH_PROVEN_MS = 300_000

export type SessionEvent =
  | { kind: 'transmit'; to: Address; bytes: Uint8Array }
  | { kind: 'deliver'; from: Contact; payload: Uint8Array }
  /** The owner saves this to disk. Earlier boots of this member are refused from now on. */
  | { kind: 'proven'; peer: NodeId; boot: number }
  | { kind: 'refused'; from: Address; peer: NodeId | undefined; reason: RefusalReason }

interface Boot {
  readonly boot: number
  /** One key for each accepted overlay key. */
  readonly keys: readonly KeyObject[]
  readonly window: ReplayWindow
}

interface Candidate extends Boot {
  held: Array<{ from: Address; payload: Uint8Array }>
  heldUntil: Instant
}

interface Proving {
  readonly state: 'proving'
  readonly address: Address
  readonly nonce: Uint8Array
  readonly until: Instant
  /** Whether the path was silent before: earlier hellos got no answer. */
  readonly wasSilent: boolean
  /** Hellos sent. */
  tries: number
  retryAt: Instant
  queued: Uint8Array[]
}

interface Proven {
  readonly state: 'proven'
  readonly address: Address
  /** PATH_PROVEN_MS after the last datagram received from it. */
  until: Instant
}

type Path = Proving | Proven | { readonly state: 'silent'; readonly address: Address; readonly until: Instant }

interface Peer {
  readonly id: NodeId
  readonly idBytes: Uint8Array
  proven: Boot | undefined
  candidate: Candidate | undefined
  readonly paths: LruMap<string, Path>
}

type Unsealed =
  | { kind: 'refused'; peer: NodeId | undefined; reason: RefusalReason }
  | { kind: 'opened'; sender: NodeId; boot: Boot; counter: number; body: DatagramBody }

export interface SessionsInit {
  readonly self: NodeId
  readonly overlay: OverlayId
  /** The first key seals; all keys open. 32 bytes each. */
  readonly overlayKeys: readonly Uint8Array[]
  /** The boot counter of this start, already on disk. */
  readonly boot: number
  /** The highest boot counter that each member has proved. */
  readonly memberBoots: ReadonlyMap<NodeId, number>
  /** PROOF_BYTES unpredictable bytes. */
  readonly nonce: () => Uint8Array
}

export class Sessions {
  private readonly init: SessionsInit
  private readonly selfBytes: Uint8Array
  private readonly tag: Uint8Array
  private readonly ownKey: KeyObject
  private readonly peers = new LruMap<NodeId, Peer>(PEERS_MAX)
  private readonly memberBoots = new LruMap<NodeId, number>(BOOTS_MAX)
  /** Peers with a pending deadline. */
  private readonly waiting = new Set<Peer>()
  private waitingBytes = 0
  private counter = 0
  private events: SessionEvent[] = []

  constructor(init: SessionsInit) {
    this.init = init
    this.selfBytes = idBytes(init.self)
    this.tag = overlayTag(init.overlay)
    this.ownKey = sealKey(expectDefined(init.overlayKeys[0], 'there is an overlay key'), init.self, init.boot)
    for (const [peer, boot] of init.memberBoots) this.memberBoots.set(peer, boot)
  }

  /**
   * Best effort. Queues the payload, within limits, until the address is proven. Throws RangeError over the size limit.
   */
  send(to: Contact, payload: Uint8Array, now: Instant): void {
    if (payload.length > DATAGRAM_PAYLOAD_BYTES_MAX) throw new RangeError(`a datagram of ${payload.length} bytes`)
    if (to.id === this.init.self) return
    const peer = this.peer(to.id)
    const path = this.path(peer, to.address, now)
    if (path.state === 'proven') {
      this.transmit(peer, path.address, { kind: 'data', payload })
      return
    }
    if (path.queued.length >= QUEUED_MAX) this.waitingBytes -= path.queued.shift()?.length ?? 0
    if (this.waitingBytes + payload.length <= WAITING_BYTES_MAX) {
      path.queued.push(payload)
      this.waitingBytes += payload.length
    }
    if (path.tries === 0) this.hello(peer, path, now)
    const heard = path.wasSilent ? this.lastHeard(peer, now) : undefined
    if (heard !== undefined) this.transmit(peer, heard.address, { kind: 'data', payload })
  }

  /** Takes one datagram from the network. */
  receive(datagram: Uint8Array, from: Address, now: Instant): void {
    const opened = this.unseal(datagram)
    if (opened.kind === 'refused') {
      this.events.push({ kind: 'refused', from, peer: opened.peer, reason: opened.reason })
      return
    }
    const { sender, boot, body } = opened
    const peer = this.peer(sender)
    const proven = boot === peer.proven
    if (!proven && boot !== peer.candidate) {
      this.dropHeld(peer)
      peer.candidate = { ...boot, held: [], heldUntil: now }
    }
    boot.window.add(opened.counter)
    const path = peer.paths.get(addressText(from))
    if (proven && path?.state === 'proven') path.until = after(now, PATH_PROVEN_MS)
    this.act(peer, from, body, proven, now)
  }

  /** Call at or after nextWake(). */
  wake(now: Instant): void {
    for (const peer of this.waiting) {
      if (peer.candidate !== undefined && now >= peer.candidate.heldUntil) this.dropHeld(peer)
      for (const [key, path] of peer.paths.entries()) {
        if (path.state !== 'proving') continue
        if (now >= path.until) {
          this.dropQueued(path)
          const { address, tries } = path
          if (tries === 0) peer.paths.delete(key)
          else peer.paths.set(key, { address, state: 'silent', until: after(now, PATH_PROVEN_MS) })
        } else if (path.queued.length > 0 && path.tries < HELLO_TRIES && now >= path.retryAt) {
          this.hello(peer, path, now)
        }
      }
    }
  }

  nextWake(): Instant | undefined {
    let first: Instant | undefined
    for (const peer of this.waiting) {
      const next = this.nextOf(peer)
      if (next === undefined) this.waiting.delete(peer)
      first = earliest(first, next)
    }
    return first
  }

  drain(): SessionEvent[] {
    const { events } = this
    this.events = []
    return events
  }

  private unseal(datagram: Uint8Array): Unsealed {
    const refused = (reason: RefusalReason, peer?: NodeId): Unsealed => ({ kind: 'refused', reason, peer })
    if (datagram.length < DATAGRAM_BYTES_MIN || datagram.length > DATAGRAM_BYTES_MAX) return refused('malformed')
    const header = tryDecode(datagramHeader, datagram.subarray(0, DATAGRAM_HEADER_BYTES))
    if (header === undefined) return refused('malformed')
    const { sender, counter } = header
    if (!sameOverlay(datagram, this.tag)) return refused('wrong-overlay', sender)

    const peer = this.peers.get(sender)
    const known = [peer?.proven, peer?.candidate].find(one => one?.boot === header.boot)
    const oldest = Math.max(this.memberBoots.get(sender) ?? 0, peer?.candidate?.boot ?? 0)
    if (known === undefined ? header.boot < oldest : known.window.has(counter)) return refused('replayed', sender)

    const boot = known ?? {
      boot: header.boot,
      keys: this.init.overlayKeys.map(key => sealKey(key, sender, header.boot)),
      window: new ReplayWindow()
    }
    for (const key of boot.keys) {
      const raw = open(key, this.selfBytes, datagram)
      if (raw === undefined) continue
      const body = tryDecode(datagramBody, raw)
      if (body === undefined) return refused('malformed', sender)
      return { kind: 'opened', sender, boot, counter, body }
    }
    return refused('bad-seal', sender)
  }

  private act(peer: Peer, from: Address, body: DatagramBody, proven: boolean, now: Instant): void {
    switch (body.kind) {
      case 'data':
        if (proven) this.events.push({ kind: 'deliver', from: { id: peer.id, address: from }, payload: body.payload })
        else this.hold(peer, from, body.payload, now)
        return
      case 'hello': {
        const path = proven ? this.path(peer, from, now) : this.prove(peer, from, now)
        // On a proven path the nonce is random and its echo is ignored.
        const nonce = path.state === 'proving' ? path.nonce : this.init.nonce()
        this.transmit(peer, from, { kind: 'welcome', echo: body.nonce, nonce })
        return
      }
      case 'welcome':
      case 'confirm': {
        const path = [...peer.paths.values()].find(one => one.state === 'proving' && equal(one.nonce, body.echo))
        if (path?.state !== 'proving' || now >= path.until) return
        if (body.kind === 'welcome') this.transmit(peer, from, { kind: 'confirm', echo: body.nonce })
        if (!proven) this.promote(peer)
        this.pathProven(peer, path, now)
        return
      }
    }
  }

  private hold(peer: Peer, from: Address, payload: Uint8Array, now: Instant): void {
    const candidate = expectDefined(peer.candidate, 'what is not proven is a candidate')
    if (candidate.held.length < HELD_MAX && this.waitingBytes + payload.length <= WAITING_BYTES_MAX) {
      candidate.held.push({ from, payload })
      candidate.heldUntil = after(now, PROOF_MS)
      this.waitingBytes += payload.length
      this.waiting.add(peer)
    }
    const path = this.prove(peer, from, now)
    // At most one answer per received datagram, and none by a timer: `from` may be spoofed.
    if (path.tries === 0 || now >= path.retryAt) this.hello(peer, path, now)
  }

  /** The candidate echoed a fresh nonce: its held payloads are delivered. */
  private promote(peer: Peer): void {
    const { boot, keys, window, held } = expectDefined(peer.candidate, 'what is not proven is a candidate')
    this.events.push({ kind: 'proven', peer: peer.id, boot })
    for (const { from, payload } of held) {
      this.events.push({ kind: 'deliver', from: { id: peer.id, address: from }, payload })
    }
    this.dropHeld(peer)
    peer.candidate = undefined
    peer.proven = { boot, keys, window }
    this.memberBoots.set(peer.id, boot)
  }

  private pathProven(peer: Peer, path: Proving, now: Instant): void {
    const { address, queued } = path
    this.dropQueued(path)
    peer.paths.set(addressText(address), { address, state: 'proven', until: after(now, PATH_PROVEN_MS) })
    for (const payload of queued) this.transmit(peer, address, { kind: 'data', payload })
  }

  private hello(peer: Peer, path: Proving, now: Instant): void {
    path.tries++
    path.retryAt = after(now, HELLO_INTERVAL_MS)
    this.transmit(peer, path.address, { kind: 'hello', nonce: path.nonce })
  }

  private peer(id: NodeId): Peer {
    const known = this.peers.touch(id)
    if (known !== undefined) return known
    const paths = new LruMap<string, Path>(PATHS_MAX)
    const peer: Peer = { id, idBytes: idBytes(id), proven: undefined, candidate: undefined, paths }
    const forgotten = this.peers.set(id, peer)?.value
    if (forgotten !== undefined) {
      this.dropHeld(forgotten)
      for (const path of forgotten.paths.values()) this.dropQueued(path)
      this.waiting.delete(forgotten)
    }
    return peer
  }

  /** The path to the address; a new one when there is none or it expired. */
  private path(peer: Peer, address: Address, now: Instant): Proving | Proven {
    const path = peer.paths.touch(addressText(address))
    const usable = path !== undefined && path.state !== 'silent' && now < path.until
    return usable ? path : this.prove(peer, address, now)
  }

  /** The proven path that the peer was heard from last. A restarted peer has proven a path of its own since. */
  private lastHeard(peer: Peer, now: Instant): Proven | undefined {
    let last: Proven | undefined
    for (const path of peer.paths.values()) {
      if (path.state !== 'proven' || now >= path.until) continue
      if (last === undefined || path.until > last.until) last = path
    }
    return last
  }

  /**
   * The path in state `proving`: a new one unless its proof is in progress. A path proven for an earlier boot starts
   * over.
   */
  private prove(peer: Peer, address: Address, now: Instant): Proving {
    const key = addressText(address)
    const old = peer.paths.touch(key)
    if (old?.state === 'proving' && now < old.until) return old
    if (old !== undefined) this.dropQueued(old)
    const path: Proving = {
      address,
      state: 'proving',
      nonce: this.init.nonce(),
      until: after(now, PROOF_MS),
      wasSilent: old?.state === 'silent' && now < old.until,
      tries: 0,
      retryAt: now,
      queued: []
    }
    const forgotten = peer.paths.set(key, path)?.value
    if (forgotten !== undefined) this.dropQueued(forgotten)
    this.waiting.add(peer)
    return path
  }

  private nextOf(peer: Peer): Instant | undefined {
    const held = (peer.candidate?.held.length ?? 0) > 0 ? peer.candidate?.heldUntil : undefined
    const paths = [...peer.paths.values()].map(path => {
      if (path.state !== 'proving') return undefined
      return path.queued.length > 0 && path.tries < HELLO_TRIES ? earliest(path.until, path.retryAt) : path.until
    })
    return earliest(held, ...paths)
  }

  private dropHeld(peer: Peer): void {
    if (peer.candidate === undefined) return
    for (const { payload } of peer.candidate.held) this.waitingBytes -= payload.length
    peer.candidate.held = []
  }

  private dropQueued(path: Path): void {
    if (path.state !== 'proving') return
    for (const payload of path.queued) this.waitingBytes -= payload.length
    path.queued = []
  }

  private transmit(peer: Peer, to: Address, body: DatagramBody): void {
    const header = encode(datagramHeader, {
      version: DATAGRAM_VERSION,
      overlay: this.tag,
      sender: this.init.self,
      boot: this.init.boot,
      counter: this.counter++
    })
    const bytes = seal(this.ownKey, peer.idBytes, header, encode(datagramBody, body))
    assert(bytes.length <= DATAGRAM_BYTES_MAX, 'a datagram fits every path')
    this.events.push({ kind: 'transmit', to, bytes })
  }
}
