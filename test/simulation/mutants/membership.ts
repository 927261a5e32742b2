/** Bugs of the membership: for each property one that its checker must catch, and more where rules stand apart. */
import type { Mutant } from '../mutants.ts'

const room = 'src/core/membership'

export const mutants: Mutant[] = [
  {
    name: 'old-claims-override',
    property: 'growing-incarnations',
    file: `${room}/view/roster.ts`,
    find: "if (claim.incarnation < incarnation) return 'stale'",
    replace: "if (claim.incarnation < incarnation) return claim.kind === 'alive' ? 'news' : 'stale'",
    scenario: 'membership',
    seeds: 20
  },
  {
    name: 'restart-begins-anew',
    property: 'growing-incarnations',
    file: `${room}/own.ts`,
    find: 'this.ceiling = stored === undefined ? 0 : (tryDecode(varint, stored) ?? 0)',
    replace: 'this.ceiling = 0',
    scenario: 'membership',
    seeds: 20
  },
  {
    name: 'ceiling-on-disk-too-low',
    property: 'safe-ceiling',
    file: `${room}/own.ts`,
    find: 'this.persist(CEILING_KEY, encode(varint, ceiling))',
    replace: 'this.persist(CEILING_KEY, encode(varint, ceiling - CEILING_AHEAD - 1))',
    scenario: 'membership',
    seeds: 5
  },
  {
    name: 'signatures-unchecked',
    property: 'signed-rows',
    file: `${room}/view/view.ts`,
    find: "if (!notary.genuine(claim)) return false\n    if (claim.kind === 'dead' && context.path",
    replace: "if (claim.kind === 'dead' && context.path",
    scenario: 'membership',
    seeds: 5
  },
  {
    name: 'accusations-ahead-do-not-wait',
    property: 'signed-rows',
    file: `${room}/view/roster.ts`,
    find: "return claim.kind === 'suspect' || claim.kind === 'dead' ? 'ahead' : 'news'",
    replace: "return 'news'",
    scenario: 'membership',
    seeds: 5
  },
  {
    name: 'nobody-refutes',
    property: 'one-membership',
    file: `${room}/view/view.ts`,
    find: 'this.announce(own.raiseAbove(claim.incarnation))\n    emit(',
    replace: 'emit(',
    scenario: 'membership',
    seeds: 20
  },
  {
    name: 'the-dead-are-never-tried',
    property: 'one-membership',
    file: `${room}/dissemination/syncer.ts`,
    find: 'return this.roster.sampleDead(1)[0]',
    replace: 'return undefined',
    scenario: 'healing',
    seeds: 5
  },
  {
    name: 'silence-goes-unnoticed',
    property: 'completeness',
    file: `${room}/membership.ts`,
    find: 'this.view.accuse(act.member, now)',
    replace: 'void act.member',
    scenario: 'detection',
    seeds: 5
  },
  {
    name: 'acks-are-not-heard',
    property: 'accuracy',
    file: `${room}/detector/prober.ts`,
    find: "this.probe = { kind: 'answered' }\n",
    replace: '\n',
    scenario: 'detection',
    seeds: 5
  }
]
