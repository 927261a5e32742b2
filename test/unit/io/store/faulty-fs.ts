/**
 * node:fs with faults. Counts every asynchronous call of the file system, and lets one of them fail. Use it with
 * `vi.mock('node:fs', faultyFs)`: only modules that are imported after that use it.
 */
import { promisify } from 'node:util'
import type * as Fs from 'node:fs'

export const fault = {
  /** Calls since the last reset, by name. */
  calls: [] as string[],
  /** The index in `calls` of the call that fails. */
  at: -1,
  /** Calls for which it returns true fail. */
  when: (_name: string): boolean => false,
  code: 'EIO',
  reset(): void {
    this.calls = []
    this.at = -1
    this.when = () => false
    this.code = 'EIO'
  }
}

/** Throws when this call must fail. */
function count(name: string): void {
  const place = fault.calls.push(name) - 1
  if (place !== fault.at && !fault.when(name)) return
  throw Object.assign(new Error(`${fault.code}: injected, ${name}`), { code: fault.code })
}

const CALLBACKS = [...['open', 'close', 'read', 'write', 'fstat', 'fsync', 'fdatasync', 'fchmod', 'ftruncate']] as const
/** Counted but not executed: no test here simulates a power cut, and syncs are slow. */
const SYNCS: ReadonlySet<string> = new Set(['fsync', 'fdatasync', 'sync', 'datasync'])
/** Never fails: a failed close would close the descriptor too. */
const HARMLESS: ReadonlySet<string> = new Set(['close'])

type Callback = (error: Error | null, ...results: unknown[]) => void
type Call = (...args: unknown[]) => unknown

export async function faultyFs(original: () => Promise<unknown>): Promise<typeof Fs> {
  const real = (await original()) as typeof Fs & { default: typeof Fs }
  const callbacks = Object.fromEntries(CALLBACKS.map(name => [name, withCallback(name, real[name] as unknown as Call)]))
  const promises = faultyPromises(real.promises)
  const faulty = { ...real, ...callbacks, promises }
  return { ...faulty, default: { ...real.default, ...callbacks, promises } } as unknown as typeof Fs
}

export async function faultyFsPromises(original: () => Promise<unknown>): Promise<typeof Fs.promises> {
  const real = (await original()) as typeof Fs.promises
  const faulty = faultyPromises(real)
  return { ...faulty, default: faulty } as unknown as typeof Fs.promises
}

function withCallback(name: string, real: Call): Call {
  const promised: (...args: unknown[]) => Promise<unknown> = promisify(real as (done: Callback) => void)
  const wrapped = (...args: unknown[]): unknown => {
    const done = args.at(-1) as Callback
    try {
      if (!HARMLESS.has(name)) count(name)
    } catch (error) {
      setImmediate(() => done(error as Error))
      return undefined
    }
    if (SYNCS.has(name)) setImmediate(() => done(null))
    else real(...args)
    return undefined
  }
  const asPromise = async (...args: unknown[]): Promise<unknown> => {
    if (!HARMLESS.has(name)) count(name)
    return SYNCS.has(name) ? undefined : promised(...args)
  }
  return Object.assign(wrapped, { [promisify.custom]: asPromise })
}

function faultyPromises(real: typeof Fs.promises): typeof Fs.promises {
  const wrapped = Object.entries(real).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value] as const
    const call = async (...args: unknown[]): Promise<unknown> => {
      count(`promises.${name}`)
      const result: unknown = await (value as Call)(...args)
      return name === 'open' ? faultyHandle(result as Fs.promises.FileHandle) : result
    }
    return [name, call] as const
  })
  return Object.fromEntries<unknown>(wrapped) as unknown as typeof Fs.promises
}

function faultyHandle(handle: Fs.promises.FileHandle): Fs.promises.FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]): Promise<unknown> => {
        if (typeof name === 'string' && !HARMLESS.has(name)) count(`handle.${name}`)
        return typeof name === 'string' && SYNCS.has(name) ? undefined : (value as Call).apply(target, args)
      }
    }
  })
}
