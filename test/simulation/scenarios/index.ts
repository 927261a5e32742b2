/** Every scenario that `npm run sim` plays, in the order in which seeds are dealt out. */
import type { Scenario } from '../../../src/sim/scenario.ts'
import { detection, healing, membership } from './membership.ts'
import { outside } from './outside.ts'

export const scenarios: readonly Scenario[] = [outside, membership, detection, healing]
