import { describe, expect, it } from 'vitest'
import type { ContentId } from '../../../../src/base/ids.ts'
import { ContentLocks } from '../../../../src/io/store/content-locks.ts'

const content = 'a'.repeat(64) as ContentId
const other = 'b'.repeat(64) as ContentId

interface Stage {
  /** Events in order. */
  readonly said: string[]
  /** Work that ends when `end` is called. */
  readonly work: (name: string, of?: ContentId) => { readonly end: () => void; readonly done: Promise<void> }
  readonly remove: (name: string) => Promise<void>
}

function stage(removals = new ContentLocks()): Stage {
  const said: string[] = []
  const work: Stage['work'] = (name, of = content) => {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const done = removals.work(of, async () => {
      said.push(`${name} begins`)
      await promise
      said.push(`${name} ends`)
    })
    return { end: () => resolve(undefined), done }
  }
  const remove: Stage['remove'] = name => removals.remove(content, async () => void said.push(name))
  return { said, work, remove }
}

describe('work on a content and its removal', () => {
  it('work runs concurrently, and a removal waits for all of it', async () => {
    const { said, work, remove } = stage()
    const [one, two] = [work('one'), work('two')]
    const removed = remove('removed')
    two.end()
    await two.done
    one.end()
    await removed
    expect(said).toEqual(['one begins', 'two begins', 'two ends', 'one ends', 'removed'])
  })

  it('later work waits for the removal, and work on another content does not', async () => {
    const { said, work, remove } = stage()
    const before = work('before')
    const removed = remove('removed')
    const after = work('after')
    const beside = work('beside', other)
    for (const one of [before, after, beside]) one.end()
    await Promise.all([removed, after.done, beside.done])
    expect(said.indexOf('beside begins')).toBeLessThan(said.indexOf('removed'))
    expect(said.indexOf('removed')).toBeLessThan(said.indexOf('after begins'))
  })

  it('removals run one after another', async () => {
    const { said, work, remove } = stage()
    const before = work('before')
    const both = [remove('first'), remove('second')]
    before.end()
    await Promise.all(both)
    expect(said.slice(-2)).toEqual(['first', 'second'])
  })

  it('a removal times out when work does not end, and later work runs', async () => {
    const { said, work, remove } = stage(new ContentLocks(10))
    const stuck = work('stuck')
    const removed = remove('removed')
    const after = work('after')
    after.end()
    await expect(removed).rejects.toMatchObject({
      code: 'timeout',
      message: `${content} is still being written after 0.01 s`
    })
    await after.done
    stuck.end()
    await stuck.done
    expect(said).not.toContain('removed')
  })

  it('a failed removal and failed work block nothing', async () => {
    const removals = new ContentLocks()
    const failed = removals.remove(content, () => Promise.reject(new Error('the disk')))
    await expect(failed).rejects.toThrow('the disk')
    await expect(removals.work(content, () => Promise.reject(new Error('the same')))).rejects.toThrow('the same')
    await removals.remove(content, () => Promise.resolve())
  })
})
