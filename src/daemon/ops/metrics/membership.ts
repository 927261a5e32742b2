import type { MemberState } from '../../../wire/membership.ts'
import { by } from '../registry.ts'
import type { Families } from './source.ts'

export const membershipMetrics: Families = [
  {
    name: 'shoal_members',
    type: 'gauge',
    help: 'Members by state, this node too.',
    labels: { state: ['alive', 'suspect', 'dead', 'left'] },
    read: ({ runtime }) => {
      const members: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 }
      for (const { state } of runtime.view.membership.members()) members[state]++
      return by('state', members)
    }
  },
  {
    name: 'shoal_membership_probes_total',
    type: 'counter',
    help: 'Periods in which this node probed a member, by how it went: all of them, those that needed proxies, those that accused.',
    labels: { stage: ['begun', 'indirect', 'failed'] },
    read: ({ runtime }) => {
      const { probes, indirectProbes, failedProbes } = runtime.view.membership.counters()
      return by('stage', { begun: probes, indirect: indirectProbes, failed: failedProbes })
    }
  },
  {
    name: 'shoal_membership_suspicions_total',
    type: 'counter',
    help: 'Members that this node came to hold suspect, whoever accused them first.',
    read: ({ counts }) => counts.suspicions
  },
  {
    name: 'shoal_membership_deaths_total',
    type: 'counter',
    help: 'Members that this node came to hold dead.',
    read: ({ counts }) => counts.deaths
  },
  {
    name: 'shoal_membership_refutations_total',
    type: 'counter',
    help: 'Accusations of this node that it denied.',
    read: ({ counts }) => counts.refutations
  },
  {
    name: 'shoal_membership_dropped_total',
    type: 'counter',
    help: 'What membership refused, dropped or cut short, by reason.',
    labels: { reason: ['bad_signature', 'misaddressed', 'unexpected', 'unproven', 'overfull', 'hurried'] },
    read: ({ runtime }) => {
      const { badSignatures, misaddressed, unexpected, unproven, overfull, hurried } =
        runtime.view.membership.counters()
      return by('reason', { bad_signature: badSignatures, misaddressed, unexpected, unproven, overfull, hurried })
    }
  }
]
