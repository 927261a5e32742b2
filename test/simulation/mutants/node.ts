/** Bugs in how the rooms of a node are put together. */
import type { Mutant } from '../mutants.ts'

const file = 'src/core/node/node.ts'
const scenario = 'node'

export const mutants: Mutant[] = [
  {
    name: 'restored-members-untold',
    property: 'one-ring',
    file,
    find: 'if (member.id !== this.self && isUp(member)) this.tellUp(member, now)',
    replace: 'void member',
    scenario,
    seeds: 12
  },
  {
    name: 'providers-unused',
    property: 'completes',
    file,
    find: 'this.exchange.sources(content, contacts, now)',
    replace: 'void contacts',
    scenario,
    seeds: 4
  },
  {
    name: 'announcements-unpublished',
    property: 'records-found',
    file,
    find: 'else this.records.publish(key, event.held, now)',
    replace: 'else void key',
    scenario,
    seeds: 4
  },
  {
    name: 'search-hears-of-no-members',
    property: 'words-found',
    file,
    find: 'this.search.memberUp({ id, address }, now)',
    replace: 'void address',
    scenario,
    seeds: 4
  },
  {
    name: 'pushes-unanswered',
    property: 'completes',
    file,
    find: 'if (to !== undefined) this.exchange.offer(event.content, to)',
    replace: 'void to',
    scenario: 'push',
    seeds: 12
  }
]
