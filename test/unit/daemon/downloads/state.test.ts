import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import type { Progress } from '../../../../src/core/exchange/contract.ts'
import { Download, type StateKind } from '../../../../src/daemon/downloads/state.ts'

const problem = new ShoalError('conflict', 'a file is in the way')
const progress: Progress = {
  ...{ state: 'complete', wantedBytes: 1, haveBytes: 1, fetchedBytes: 1, reusedBytes: 0 },
  ...{ sources: [], rateBytesPerSecond: 0 }
}

const methods = {
  add: (one: Download) => one.add(),
  added: (one: Download) => one.added(),
  wait: (one: Download) => one.wait('room', problem),
  proceed: (one: Download) => one.proceed(),
  pause: (one: Download) => one.pause(),
  resume: (one: Download) => one.resume(),
  complete: (one: Download) => one.complete(progress),
  fail: (one: Download) => one.fail(problem),
  failed: (one: Download) => one.failed(),
  remove: (one: Download) => one.remove(),
  removed: (one: Download) => one.removed()
}
type Method = keyof typeof methods

/** The shortest way to each state. */
const ways: Record<StateKind, Method[]> = {
  adding: [],
  running: ['added'],
  waiting: ['added', 'wait'],
  paused: ['added', 'pause'],
  failing: ['fail'],
  failed: ['fail', 'failed'],
  complete: ['added', 'complete'],
  removing: ['added', 'remove'],
  removed: ['removed']
}

/** Every transition that is allowed; all others are refused. */
const allowed: Record<StateKind, Partial<Record<Method, StateKind>>> = {
  adding: { added: 'running', fail: 'failing', removed: 'removed' },
  running: {
    ...{ add: 'adding', wait: 'waiting', pause: 'paused', complete: 'complete', fail: 'failing', remove: 'removing' }
  },
  waiting: {
    ...{ add: 'adding', wait: 'waiting', proceed: 'running', pause: 'paused', complete: 'complete' },
    ...{ fail: 'failing', remove: 'removing' }
  },
  paused: { add: 'adding', resume: 'running', fail: 'failing', remove: 'removing' },
  failing: { failed: 'failed', remove: 'removing' },
  failed: {},
  complete: { add: 'adding', remove: 'removing' },
  removing: { fail: 'failing', removed: 'removed' },
  removed: {}
}

function inState(kind: StateKind): Download {
  const download = new Download('adding')
  for (const method of ways[kind]) methods[method](download)
  expect(download.state.kind).toBe(kind)
  return download
}

describe.each(Object.keys(ways) as StateKind[])('a download that is %s', kind => {
  it.each(Object.keys(methods) as Method[])('%s()', method => {
    const download = inState(kind)
    const next = allowed[kind][method]
    if (next === undefined) {
      expect(() => methods[method](download)).toThrow(`a download that is ${kind} takes no ${method}()`)
      expect(download.state.kind, 'and nothing changed').toBe(kind)
    } else {
      methods[method](download)
      expect(download.state.kind).toBe(next)
    }
  })
})

describe('the state carries', () => {
  it('what a waiting download waits for', () => {
    expect(inState('waiting').state).toEqual({ kind: 'waiting', for: 'room', problem })
  })

  it('why a download failed, through its clean-up', () => {
    expect(inState('failed').state).toEqual({ kind: 'failed', problem })
  })

  it("the node's last word on a complete download", () => {
    expect(inState('complete').state).toEqual({ kind: 'complete', progress })
  })
})
