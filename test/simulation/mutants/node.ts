/** Bugs in how the rooms of a node are put together. */
import type { Mutant } from '../mutants.ts'

const folder = 'src/core/node/rooms'
const scenario = 'node'

export const mutants: Mutant[] = [
  {
    name: 'restored-members-untold',
    property: 'one-ring',
    file: `${folder}/membership.ts`,
    find: 'member.id !== self && isUp(member) ? [{ id',
    replace: 'member.id === self && isUp(member) ? [{ id',
    scenario,
    seeds: 12
  },
  {
    name: 'providers-unused',
    property: 'completes',
    file: `${folder}/exchange.ts`,
    find: 'machine.sources(content, contacts, now)',
    replace: 'void contacts',
    scenario,
    seeds: 4
  },
  {
    name: 'announcements-unpublished',
    property: 'records-found',
    file: `${folder}/exchange.ts`,
    find: 'else records.publish(key, event.held, now)',
    replace: 'else void key',
    scenario,
    seeds: 4
  },
  {
    name: 'search-hears-of-no-members',
    property: 'words-found',
    file: `${folder}/search.ts`,
    find: 'if (isUp(event.member)) machine.memberUp({ id, address }, now)',
    replace: 'if (isUp(event.member)) void address',
    scenario,
    seeds: 4
  },
  {
    name: 'pushes-unanswered',
    property: 'completes',
    file: `${folder}/exchange.ts`,
    find: 'if (to !== undefined) machine.offer(event.content, to)',
    replace: 'void to',
    scenario: 'push',
    seeds: 12
  }
]
