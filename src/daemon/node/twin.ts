/**
 * Another node that runs with this node's key: a home that was copied while both copies are in use. The membership hears claims of
 * this node's id that this node did not make (core/membership `clone`).
 *
 * A claim with this node's own address is no sign of one: the others remember it from before this home was restored from a backup.
 */
import { sameAddress, type Address } from '../../wire/common.ts'

/** The membership reports at most every 30 s, and may hear the other node only by push-pull: several of both. */
const FRESH_MS = 10 * 60_000

export interface Twin {
  readonly address: Address
  readonly seenMs: number
}

export class TwinWatch {
  private seen: Twin | undefined

  /**
   * Hears of a claim in this node's name; `address` is undefined when the claim says goodbye, after which no twin is left. Returns
   * whether it is another node's.
   */
  heard(claim: { address: Address | undefined; own: Address; atMs: number }): boolean {
    const { address, own, atMs } = claim
    this.seen = address === undefined || sameAddress(address, own) ? undefined : { address, seenMs: atMs }
    return this.seen !== undefined
  }

  /** The address of the other node, while the last sign of it is not too old. */
  address(nowMs: number): Address | undefined {
    return this.seen !== undefined && nowMs - this.seen.seenMs <= FRESH_MS ? this.seen.address : undefined
  }
}
