/** What people are told about a share whose files changed or are missing, and what to do about it. */
import type { ContentId } from '../../base/ids.ts'
import type { ShareProblem } from '../../wire/control/methods.ts'
import type { Services } from '../control/services.ts'

export interface Damage {
  readonly state: 'changed' | 'missing'
  readonly problem: ShareProblem
}

/** Undefined when all of it can be served, as far as is known. */
export async function damageOf(services: Services, content: ContentId): Promise<Damage | undefined> {
  const report = await services.monitor().report(content)
  if (report === undefined) return undefined
  const { state, files, fileCount } = report
  return { state, problem: { files: [...files], fileCount, fix: fixOf(services, content, state) } }
}

function fixOf({ store }: Services, content: ContentId, state: Damage['state']): string {
  const holding = store.holding(content)
  const where = quoted(store.pathOf(content) ?? '')
  const back = state === 'missing' ? 'put it back' : 'restore it'
  if (holding?.kind !== 'download') return `${back}, or share it again: shoal share ${where}`
  const overwrite = state === 'missing' ? '' : ' --overwrite'
  return `${back}, or get it again: shoal get ${content} -o ${quoted(holding.root)}${overwrite}`
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
