/**
 * What processes cost, from /proc: CPU time and peak memory of a side of a transfer, whoever started its processes. A process
 * that comes and goes within an interval of looking is missed, and of every one the last interval before its end.
 */
import fs from 'node:fs'

const TICKS_PER_SECOND = 100
const LOOK_MS = 25

export interface Usage {
  /** User and system time of all its processes. */
  cpuSeconds: number
  /** The largest VmHWM of any one of its processes. */
  peakBytes: number
}

interface Seen {
  firstSeconds: number
  lastSeconds: number
  peakBytes: number
}

/** Follows some processes and all that they start, from the call on until `stop`. */
export class Side {
  private readonly roots: Set<number>
  private readonly seen = new Map<string, Seen>()
  private readonly timer: NodeJS.Timeout

  constructor(roots: readonly number[]) {
    this.roots = new Set(roots)
    this.look(true)
    this.timer = setInterval(() => {
      this.look(false)
    }, LOOK_MS)
  }

  /** A process that was just started for this side. */
  add(pid: number): void {
    this.roots.add(pid)
    this.look(false)
  }

  stop(): Usage {
    clearInterval(this.timer)
    this.look(false)
    const all = [...this.seen.values()]
    return {
      cpuSeconds: all.reduce((sum, { firstSeconds, lastSeconds }) => sum + lastSeconds - firstSeconds, 0),
      peakBytes: Math.max(...all.map(({ peakBytes }) => peakBytes))
    }
  }

  private look(isFirst: boolean): void {
    for (const pid of withDescendants(this.roots)) {
      const now = processOf(pid)
      if (now === undefined) continue
      const key = `${pid} ${now.startTicks}`
      const known = this.seen.get(key)
      if (known === undefined) {
        const firstSeconds = isFirst ? now.cpuSeconds : 0
        this.seen.set(key, { firstSeconds, lastSeconds: now.cpuSeconds, peakBytes: now.peakBytes })
      } else {
        known.lastSeconds = now.cpuSeconds
        known.peakBytes = Math.max(known.peakBytes, now.peakBytes)
      }
    }
  }
}

/** User and system time of one process until now. Undefined when there is none. */
export function cpuSeconds(pid: number): number | undefined {
  return processOf(pid)?.cpuSeconds
}

/** Resident memory now, or undefined. */
export function residentBytes(pid: number): number | undefined {
  const status = readOrNothing(`/proc/${pid}/status`)
  return status === undefined ? undefined : kibOf(status, 'VmRSS') * 1024
}

function withDescendants(roots: Iterable<number>): number[] {
  const all = [...roots]
  for (let i = 0; i < all.length; i++) {
    const children = readOrNothing(`/proc/${all[i]}/task/${all[i]}/children`) ?? ''
    for (const child of children.split(' ')) if (child !== '' && !all.includes(Number(child))) all.push(Number(child))
  }
  return all
}

function processOf(pid: number): { startTicks: number; cpuSeconds: number; peakBytes: number } | undefined {
  const stat = readOrNothing(`/proc/${pid}/stat`)
  const status = readOrNothing(`/proc/${pid}/status`)
  if (stat === undefined || status === undefined) return undefined
  // The name in brackets may hold anything; what follows begins with field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  const [user, system, startTicks] = [field(14), field(15), field(22)]
  return { startTicks, cpuSeconds: (user + system) / TICKS_PER_SECOND, peakBytes: kibOf(status, 'VmHWM') * 1024 }
}

/** A process that has ended and is not reaped has no memory any more. */
function kibOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
}

function readOrNothing(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
