/** What values hold of the heap. */
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc') as () => void

function heldBytes(): number {
  // The first one may leave what is only then found to be free.
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/**
 * Bytes that the values of `make` hold, strings, arrays and buffers included, less what the array of them takes. It is made
 * once before, so that code and shapes are not counted.
 */
export function heapOf(count: number, make: (index: number) => unknown): number {
  const values = new Array<unknown>(count).fill(undefined)
  for (let i = 0; i < count; i++) values[i] = make(i)
  values.fill(undefined)
  const before = heldBytes()
  for (let i = 0; i < count; i++) values[i] = make(i)
  const after = heldBytes()
  // Read again behind the measurement: until here they are held.
  if (values.includes(undefined)) throw new Error('a value is missing')
  return after - before
}

/** Inputs laid end to end, so that they hold the same before and behind a measurement. */
export function slabOf(inputs: readonly Uint8Array[]): (index: number) => Uint8Array {
  const slab = Buffer.concat(inputs)
  const ends: number[] = []
  for (const input of inputs) ends.push((ends.at(-1) ?? 0) + input.length)
  return index => slab.subarray(index === 0 ? 0 : ends[index - 1], ends[index])
}
