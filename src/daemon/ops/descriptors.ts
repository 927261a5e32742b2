/** Files and sockets that this process has open, and how many it may have: from Linux' /proc, undefined elsewhere. */
import { readdirSync, readFileSync } from 'node:fs'

export function openDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return undefined
  }
}

/** The soft limit; Infinity where there is none. */
export function descriptorsMax(): number | undefined {
  try {
    const text = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return text === undefined ? undefined : text === 'unlimited' ? Infinity : Number(text)
  } catch {
    return undefined
  }
}
