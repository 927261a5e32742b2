/** Measures the state of a machine: counts the entries of all its collections by reflection. */

/** Objects of the test, which are not counted as state of the machine. */
const NOT_OURS = new Set(['node', 'taps'])

export function entriesOf(machine: object): number {
  const seen = new Set<object>()
  const waiting: object[] = [machine]
  let entries = 0
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) return
    seen.add(value)
    waiting.push(value)
  }
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    if (one instanceof Map) {
      entries += one.size
      for (const value of one.values()) look(value)
    } else if (one instanceof Set || Array.isArray(one)) {
      entries += one instanceof Set ? one.size : one.length
      for (const value of one as Iterable<unknown>) look(value)
    } else {
      for (const [name, value] of Object.entries(one)) if (!NOT_OURS.has(name)) look(value)
    }
  }
  return entries
}
