/** Who is up, as membership says, and one of them at random. Addresses come from here alone. */
import { expectDefined } from '../../../base/assert.ts'
import type { NodeId } from '../../../base/ids.ts'
import type { Random } from '../../../base/random.ts'
import type { Contact } from '../../../wire/common.ts'

/** All but this node itself. */
export class MemberSet {
  private readonly list: Contact[] = []
  private readonly places = new Map<NodeId, number>()

  get size(): number {
    return this.list.length
  }

  get(id: NodeId): Contact | undefined {
    const place = this.places.get(id)
    return place === undefined ? undefined : this.list[place]
  }

  up(contact: Contact): void {
    const place = this.places.get(contact.id)
    if (place !== undefined) this.list[place] = contact
    else {
      this.places.set(contact.id, this.list.length)
      this.list.push(contact)
    }
  }

  down(id: NodeId): void {
    const place = this.places.get(id)
    if (place === undefined) return
    this.places.delete(id)
    const last = expectDefined(this.list.pop(), 'there is a last one')
    if (last.id === id) return
    this.list[place] = last
    this.places.set(last.id, place)
  }

  /** Undefined when `fits` none of `picks` random ones; all are looked at when they are no more than that. */
  pick(random: Random, picks: number, fits: (contact: Contact) => boolean): Contact | undefined {
    if (this.list.length <= picks) return random.pick(this.list.filter(fits))
    for (let i = 0; i < picks; i++) {
      const one = random.pick(this.list)
      if (one !== undefined && fits(one)) return one
    }
    return undefined
  }
}
