/** Bugs of the provider records. */
import type { Mutant } from '../mutants.ts'

export const mutants: Mutant[] = [
  {
    name: 'acks-before-the-disk',
    property: 'acked-record',
    file: 'src/core/records/records.ts',
    find: 'let open = outcomes.filter(one => one.token !== undefined).length',
    replace: 'let open = 0',
    scenario: 'records-faults',
    seeds: 100
  },
  {
    name: 'published-by-the-first-ack',
    property: 'acked-record',
    file: 'src/core/records/deliveries.ts',
    find: 'if (parcel.pending.size > 0) return\n',
    replace: '\n',
    scenario: 'records-faults',
    seeds: 100
  },
  {
    name: 'drops-without-handing-over',
    property: 'acked-record',
    file: 'src/core/records/records.ts',
    find: 'else if (entry.handedOverAt === undefined) this.deliverStray(entry, now)',
    replace: 'else if (entry.handedOverAt === undefined) this.store.drop(entry)',
    scenario: 'records-faults',
    seeds: 100
  },
  {
    name: 'never-fills-a-new-replica',
    property: 'records-placed',
    file: 'src/core/records/syncs.ts',
    find: 'this.putAll(session.to, lacking, now)',
    replace: 'this.putAll(session.to, [], now)',
    scenario: 'records-wipe',
    seeds: 20
  },
  {
    name: 'new-owner-pulls-nothing',
    property: 'records-placed',
    file: 'src/core/records/syncs.ts',
    find: 'this.pull(session, [...theirs])',
    replace: 'this.pull(session, [])',
    scenario: 'records-wipe',
    seeds: 40
  },
  {
    name: 'hides-partial-holders',
    property: 'records-found',
    file: 'src/core/records/records.ts',
    find: "if (record.held !== 'none' && disk.state",
    replace: "if (record.held === 'all' && disk.state",
    scenario: 'records-wipe',
    seeds: 10
  }
]
