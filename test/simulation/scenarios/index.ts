/** All scenarios of `npm run sim`, in the order in which seeds are distributed. */
import type { Scenario } from '../../../src/sim/scenario.ts'
import { exchange } from './exchange.ts'
import { detection, healing, membership } from './membership.ts'
import { node, push } from './node.ts'
import { outside } from './outside.ts'
import { reading } from './reading.ts'
import { recordsFaults, recordsWipe } from './records.ts'
import { ringChurn, ringFaults } from './ring.ts'
import { searchDeaths, searchDynamic, searchFaults, searchFlood, searchGraph, searchLoad } from './search.ts'
import { withdrawal } from './withdrawal.ts'

export const scenarios: readonly Scenario[] = [
  outside,
  membership,
  detection,
  healing,
  ringChurn,
  ringFaults,
  recordsFaults,
  recordsWipe,
  exchange,
  reading,
  withdrawal,
  searchFlood,
  searchDynamic,
  searchGraph,
  searchDeaths,
  searchLoad,
  searchFaults,
  node,
  push
]
