/** What is said of a download that nobody can serve, and when its follower gives up. */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../../../src/base/ids.ts'
import type { Shortage } from '../../../../src/core/exchange/contract.ts'
import { shortageError, shortageText, type ShortageOf } from '../../../../src/daemon/downloads/shortage.ts'
import { makeContent, randomBytes } from '../../io/store/contents.ts'
import type { PieceIndex } from '../../../../src/wire/bittorrent/layout.ts'

const names = ['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg']
const made = makeContent('album', Object.fromEntries(names.map(name => [name, { bytes: randomBytes(name, 100) }])))
const [ant, bee, cow] = ['ant', 'bee', 'cow'] as unknown as [NodeId, NodeId, NodeId]

function of(shortage: Partial<Shortage>, more: Partial<ShortageOf> = {}): ShortageOf {
  const pieces = shortage.pieces ?? [1 as PieceIndex]
  return {
    content: made.id,
    shortage: { pieces, pieceCount: pieces.length, withdrawnBy: [], silent: [], isAsking: false, ...shortage },
    ...{ manifest: made.manifest, holders: [], nameOf: id => String(id), ...more }
  }
}

describe('a shortage in words', () => {
  it('names the files and who no longer has them', () => {
    expect(shortageText(of({ withdrawnBy: [ant] }))).toBe('waiting for 2.jpg: ant no longer has it')
    const pieces = [0, 1, 2, 3, 4] as PieceIndex[]
    expect(shortageText(of({ pieces, withdrawnBy: [ant, bee] }))).toBe(
      'waiting for 1.jpg, 2.jpg, 3.jpg and 2 other files: ant, bee no longer have it'
    )
  })

  it('names who had it and does not answer, else that no member holds it', () => {
    expect(shortageText(of({ silent: [bee] }, { holders: [ant, bee] }))).toBe(
      'waiting for 2.jpg: ant, bee had it and do not answer'
    )
    expect(shortageText(of({}))).toBe('waiting for 2.jpg: no member holds it')
  })

  it('names the list of files when even that is missing', () => {
    const text = shortageText(of({ pieces: [], silent: [ant] }, { manifest: undefined }))
    expect(text).toBe(`waiting for the list of files of ${made.id}: ant had it and does not answer`)
  })
})

describe('a follower gives up', () => {
  it('soon when every source has dropped what is missing', () => {
    const dropped = of({ withdrawnBy: [ant] })
    expect(shortageError(dropped, 2_999)).toBeUndefined()
    expect(shortageError(dropped, 3_000)).toMatchObject({
      ...{ code: 'not-found', message: 'no member that answers has 2.jpg: ant no longer has it' }
    })
  })

  it('after a minute when a source does not answer', () => {
    for (const one of [of({ silent: [bee] }), of({ withdrawnBy: [ant], silent: [cow] })]) {
      expect(shortageError(one, 59_999)).toBeUndefined()
      expect(shortageError(one, 60_000)?.code).toBe('not-found')
    }
  })

  it('never while a source is being asked', () => {
    expect(shortageError(of({ withdrawnBy: [ant], isAsking: true }), 1e9)).toBeUndefined()
  })
})
