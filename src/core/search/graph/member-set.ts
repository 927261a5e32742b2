/** The contacts of the members that are up, as membership reports them. Search takes addresses from here only. */
import type { NodeId } from '../../../base/ids.ts'
import { IndexedMap } from '../../../base/indexed-map.ts'
import type { Random } from '../../../base/random.ts'
import type { Contact } from '../../../wire/common.ts'

/** This node itself is not in it. */
export class MemberSet {
  private readonly contacts = new IndexedMap<NodeId, Contact>()

  get size(): number {
    return this.contacts.size
  }

  get(id: NodeId): Contact | undefined {
    return this.contacts.get(id)
  }

  up(contact: Contact): void {
    this.contacts.set(contact.id, contact)
  }

  down(id: NodeId): void {
    this.contacts.delete(id)
  }

  /**
   * A random contact for which `fits` is true. Examines at most `picks` random contacts, or all when there are no more.
   * Undefined when none of these fits.
   */
  pick(random: Random, picks: number, fits: (contact: Contact) => boolean): Contact | undefined {
    const { values } = this.contacts
    if (values.length <= picks) return random.pick(values.filter(fits))
    for (let i = 0; i < picks; i++) {
      const one = random.pick(values)
      if (one !== undefined && fits(one)) return one
    }
    return undefined
  }
}
