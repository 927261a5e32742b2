/** The network's state on disk: this node's boot counter, and the highest boot counter that each member proved. */
import { isId, type NodeId } from '../../../base/ids.ts'
import { assert } from '../../../base/assert.ts'
import { encode, tryDecode, u32 } from '../../../wire/codec/codec.ts'

export interface NetState {
  /** All saved entries. */
  load(): Promise<ReadonlyMap<string, Uint8Array>>
  /** Resolves once the value is durable. */
  save(key: string, value: Uint8Array): Promise<void>
}

const OWN_BOOT = 'boot'
const MEMBER_BOOT = 'boot/'
const BOOT_MAX = 0xffff_ffff

export interface Boots {
  /** This start's counter, already on disk. */
  readonly own: number
  readonly members: ReadonlyMap<NodeId, number>
}

/**
 * Increments and saves the boot counter. The counter is at least the seconds since 1970, so that a home restored from
 * an old copy never reuses a key and nonce, and its peers do not refuse its datagrams as replays.
 */
export async function countBoot(state: NetState, wallSeconds: number): Promise<Boots> {
  const saved = await state.load()
  const members = new Map<NodeId, number>()
  for (const [key, value] of saved) {
    const id = key.slice(MEMBER_BOOT.length)
    const boot = tryDecode(u32, value)
    if (key.startsWith(MEMBER_BOOT) && isId(id) && boot !== undefined) members.set(id as NodeId, boot)
  }
  const last = tryDecode(u32, saved.get(OWN_BOOT) ?? new Uint8Array(0)) ?? 0
  const own = Math.max(last + 1, Math.floor(wallSeconds))
  assert(own <= BOOT_MAX, 'a boot counter has 32 bits')
  await state.save(OWN_BOOT, encode(u32, own))
  return { own, members }
}

export async function saveMemberBoot(state: NetState, member: NodeId, boot: number): Promise<void> {
  await state.save(`${MEMBER_BOOT}${member}`, encode(u32, boot))
}

/** A state in memory only. */
export function memoryNetState(): NetState {
  const saved = new Map<string, Uint8Array>()
  return {
    load: async () => new Map(saved),
    save: async (key, value) => {
      saved.set(key, value.slice())
    }
  }
}
