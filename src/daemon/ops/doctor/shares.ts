/** Whether what this node offers can still be read. */
import type { DoctorRow } from '../../../wire/control/doctor.ts'
import { problemText } from '../../../wire/control/text.ts'
import type { ShareRow } from '../../../wire/control/methods.ts'
import { damagedShares } from '../../control/handlers/share.ts'
import type { Services } from '../../control/services.ts'

/** Shares that the row names; the others are counted. */
const SHARES_NAMED_MAX = 3

export async function sharesRow(services: Services): Promise<DoctorRow> {
  return judgeShares(await damagedShares(services))
}

export function judgeShares(damaged: ReadonlyArray<Pick<ShareRow, 'name' | 'problem'>>): DoctorRow {
  const check = 'shares'
  const [first] = damaged
  if (first === undefined) return { check, status: 'ok', text: 'no shared file is known to be changed or missing' }
  const named = damaged.slice(0, SHARES_NAMED_MAX).map(({ name, problem }) => {
    return problem === undefined ? name : `${name}: ${problemText(problem)}`
  })
  const others = damaged.length - named.length
  const text = named.join('; ') + (others > 0 ? `; and ${others} more` : '')
  const fix = damaged.length === 1 ? first.problem?.fix : '`shoal ls` says for each what to do'
  return { check, status: 'warn', text, ...(fix === undefined ? {} : { fix }) }
}
