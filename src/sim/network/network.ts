/**
 * The paths between hosts: latency, loss, duplication and cuts. For streams, loss is only delay (links.ts). Every
 * pair has a latency of its own, drawn at the first use and different in the two directions.
 */
import type { Random } from '../../base/random.ts'
import { assert } from '../../base/assert.ts'

export interface NetworkSettings {
  /** The one-way latency of a pair is drawn between these, log-uniformly. */
  latencyMinMs: number
  latencyMaxMs: number
  /** The latency back is the latency there times 1 ± this. */
  asymmetry: number
  /** Every packet is delayed by up to this share of the pair's latency. This reorders packets. */
  jitter: number
  /** Shares of datagrams that are lost and that are duplicated. */
  loss: number
  duplication: number
  /** The rate at which a host sends bulk (`transfer`). */
  uplinkBytesPerSecond: number
}

export const NETWORK_DEFAULTS: NetworkSettings = {
  latencyMinMs: 0.2,
  latencyMaxMs: 40,
  asymmetry: 0.1,
  jitter: 0.25,
  loss: 0,
  duplication: 0,
  uplinkBytesPerSecond: 20e6
}

/** A temporary fault of the whole network. When several overlap, the worst value of each property applies. */
export interface Weather {
  loss?: number
  duplication?: number
  latencyFactor?: number
}

/** A cut of one direction: packets from `from` do not reach `to`. */
export interface Cut {
  readonly from: number
  readonly to: number
}

export interface Ending {
  /** Ends the fault. Later calls have no effect. */
  end(): void
}

/** One packet in a hundred has STRAGGLER_FACTOR times the largest normal jitter. */
const STRAGGLER_CHANCE = 0.01
const STRAGGLER_FACTOR = 10
/** TCP's first retransmission timeout (1 s in RFC 6298, 200 ms in Linux). It doubles every time. */
const RETRANSMISSION_MS = 200
const RETRANSMISSIONS_MAX = 5

export class Network {
  readonly settings: NetworkSettings
  private readonly shielded = new Set<number>()
  private readonly random: Random
  private readonly weathers = new Set<Weather>()
  private readonly partitions = new Set<readonly Cut[]>()
  private size = 0
  private cuts = new Uint16Array(0)
  private latencies = new Float64Array(0)
  private loss: number
  private duplication: number
  private latencyFactor = 1
  /** Called after paths were cut or healed. */
  onPathsChanged: () => void = () => undefined

  constructor(settings: NetworkSettings, random: Random) {
    this.settings = settings
    this.random = random
    this.loss = settings.loss
    this.duplication = settings.duplication
  }

  /** Makes room for `count` hosts, numbered 0 to count - 1. */
  grow(count: number): void {
    if (count <= this.size) return
    const wider = Math.max(8, this.size * 2, count)
    const cuts = new Uint16Array(wider * wider)
    const latencies = new Float64Array(wider * wider)
    for (let from = 0; from < this.size; from++) {
      for (let to = 0; to < this.size; to++) {
        cuts[from * wider + to] = this.cuts[from * this.size + to] as number
        latencies[from * wider + to] = this.latencies[from * this.size + to] as number
      }
    }
    this.size = wider
    this.cuts = cuts
    this.latencies = latencies
  }

  /** Puts the host behind a stateful firewall: others cannot dial it, it can dial others, and datagrams pass. */
  shield(host: number): void {
    this.shielded.add(host)
  }

  isShielded(host: number): boolean {
    return this.shielded.has(host)
  }

  isCut(from: number, to: number): boolean {
    return (this.cuts[from * this.size + to] as number) > 0
  }

  private latency(from: number, to: number): number {
    const index = from * this.size + to
    const known = this.latencies[index] as number
    if (known > 0) return known
    const { latencyMinMs, latencyMaxMs, asymmetry } = this.settings
    const there = latencyMinMs * Math.pow(latencyMaxMs / latencyMinMs, this.random.unit())
    this.latencies[index] = there
    this.latencies[to * this.size + from] = there * this.random.range(1 - asymmetry, 1 + asymmetry)
    return there
  }

  /** Draws the delay of one packet. */
  delayMs(from: number, to: number): number {
    const base = this.latency(from, to) * this.latencyFactor
    const draw = this.random.unit()
    const late = draw < STRAGGLER_CHANCE ? STRAGGLER_FACTOR : draw
    return base * (1 + this.settings.jitter * late)
  }

  /** Draws the delay of a message on a stream, including retransmissions. */
  streamDelayMs(from: number, to: number): number {
    let delay = this.delayMs(from, to)
    if (this.loss === 0) return delay
    let timeout = RETRANSMISSION_MS
    for (let i = 0; i < RETRANSMISSIONS_MAX && this.random.chance(this.loss); i++) {
      delay += timeout
      timeout *= 2
    }
    return delay
  }

  loses(): boolean {
    return this.loss > 0 && this.random.chance(this.loss)
  }

  doubles(): boolean {
    return this.duplication > 0 && this.random.chance(this.duplication)
  }

  /** Cuts paths until the partition is ended. Partitions may overlap: a path is open when none of them cuts it. */
  partition(cuts: readonly Cut[]): Ending {
    const partition = cuts.slice()
    this.partitions.add(partition)
    this.count(partition, 1)
    return {
      end: () => {
        this.heal(partition)
      }
    }
  }

  private heal(partition: readonly Cut[]): void {
    if (!this.partitions.delete(partition)) return
    this.count(partition, -1)
  }

  private count(cuts: readonly Cut[], by: 1 | -1): void {
    for (const { from, to } of cuts) {
      assert(from < this.size && to < this.size && from !== to, 'a cut is between two hosts')
      const index = from * this.size + to
      this.cuts[index] = (this.cuts[index] as number) + by
    }
    this.onPathsChanged()
  }

  weather(weather: Weather): Ending {
    this.weathers.add(weather)
    this.forecast()
    return {
      end: () => {
        if (this.weathers.delete(weather)) this.forecast()
      }
    }
  }

  private forecast(): void {
    this.loss = this.settings.loss
    this.duplication = this.settings.duplication
    this.latencyFactor = 1
    for (const one of this.weathers) {
      this.loss = Math.max(this.loss, one.loss ?? 0)
      this.duplication = Math.max(this.duplication, one.duplication ?? 0)
      this.latencyFactor = Math.max(this.latencyFactor, one.latencyFactor ?? 1)
    }
  }

  /** Ends all partitions and weather. Loss and duplication of the settings remain. */
  calm(): void {
    for (const partition of [...this.partitions]) this.heal(partition)
    this.weathers.clear()
    this.forecast()
  }
}

/** The cuts between two groups, in both directions. */
export function split(left: readonly number[], right: readonly number[]): Cut[] {
  return [...oneWay(left, right), ...oneWay(right, left)]
}

/** The cuts from one group to another. */
export function oneWay(from: readonly number[], to: readonly number[]): Cut[] {
  return from.flatMap(a => to.filter(b => b !== a).map(b => ({ from: a, to: b })))
}
