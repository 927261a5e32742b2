import { describe, expect, it } from 'vitest'
import { topicText, wrapped } from '../../../../src/cli/docs/layout.ts'
import { TOPIC_NAMES, topicOf, type Topic } from '../../../../src/cli/docs/topics.ts'
import { width } from '../../../../src/cli/terminal/format.ts'

const topic: Topic = {
  name: 'fish',
  title: 'Fish',
  about: ['There are many fish in the sea, and some of them are red.'],
  entries: [
    { term: 'cod', text: 'a fish of cold water that is caught in nets' },
    { term: 'a-fish-with-a-long-name-indeed', text: 'another' },
    { term: 'eel', text: 'long', entries: [{ term: 'skin', text: 'smooth' }] }
  ],
  json: {}
}

describe('a topic as text', () => {
  it('has a column of terms, with the texts wrapped beside it', () => {
    expect(topicText(topic, 40)).toBe(
      [
        'Fish',
        '',
        'There are many fish in the sea, and some',
        'of them are red.',
        '',
        '  cod  a fish of cold water that is',
        '       caught in nets',
        '  a-fish-with-a-long-name-indeed',
        '       another',
        '  eel  long',
        '      skin  smooth',
        '',
        ''
      ].join('\n')
    )
  })

  it.each(TOPIC_NAMES)('%s stays within 80 columns', name => {
    const lines = topicText(topicOf(name)!, 80).split('\n')
    expect(lines.filter(line => width(line) > 80)).toEqual([])
    expect(lines.length).toBeGreaterThan(10)
  })

  it('is wider on a wider terminal', () => {
    const lines = (columns: number): number => topicText(topicOf('settings')!, columns).split('\n').length
    expect(lines(100)).toBeLessThan(lines(60))
  })
})

describe('wrapped text', () => {
  it.each([
    ['', 10, ['']],
    ['a b c', 3, ['a b', 'c']],
    ['an-endless-word b', 4, ['an-endless-word', 'b']],
    ['長長 長', 5, ['長長', '長']]
  ])('%j in %i columns', (text, columns, lines) => {
    expect(wrapped(text, columns)).toEqual(lines)
  })
})

it('knows no topic of another name', () => {
  expect([topicOf('toString'), topicOf('get')]).toEqual([undefined, undefined])
})
