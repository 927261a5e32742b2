import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  ensureHome,
  found,
  homePaths,
  join,
  leave,
  lockHome,
  markMet,
  openHome
} from '../../../../src/daemon/home/home.ts'
import { overlayOfTicket, ticketFor } from '../../../../src/daemon/home/overlay.ts'
import { decodeTicket, encodeTicket, type Ticket } from '../../../../src/wire/ticket.ts'
import { temporaryFolder } from '../temporary.ts'

const code = (code: string): unknown => expect.objectContaining({ code })

function founded(dir: string) {
  return found(ensureHome(dir), 'lan')
}

function otherTicket(): Ticket {
  return decodeTicket(encodeTicket(ticketFor(founded(temporaryFolder()).overlay, [])))
}

describe('a home', () => {
  it('is made once, and opened the same ever after', () => {
    const dir = path.join(temporaryFolder(), 'a', 'b')
    const lock = lockHome(dir)
    const home = founded(dir)
    expect(founded(dir)).toEqual(home)
    lock.release()
    expect(openHome(dir)).toEqual(home)
    expect(home.operator?.id).toHaveLength(64)
    expect(home.identity.id).not.toBe(home.operator?.id)
  })

  it('is for its owner only', () => {
    const dir = path.join(temporaryFolder(), 'home')
    fs.mkdirSync(dir, { mode: 0o755 })
    lockHome(dir).release()
    founded(dir)
    const { nodeKey, operatorKey, overlay } = homePaths(dir)
    const modes = [dir, nodeKey, operatorKey, overlay].map(name => fs.statSync(name).mode & 0o777)
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600])
  })

  it('that is not there is not found', () => {
    expect(() => openHome(path.join(temporaryFolder(), 'none'))).toThrow(code('not-found'))
  })

  it('of a newer version is left alone', () => {
    const dir = temporaryFolder()
    ensureHome(dir)
    fs.writeFileSync(homePaths(dir).version, '2\n')
    for (const use of [openHome, ensureHome, lockHome]) {
      expect(() => use(dir)).toThrow(
        expect.objectContaining({ code: 'conflict', message: expect.stringMatching(/newer/) as unknown })
      )
    }
  })

  it.each(['', 'one', '-1', '1\n2', '999999999'])('with the version %j is called damaged', text => {
    const dir = temporaryFolder()
    ensureHome(dir)
    fs.writeFileSync(homePaths(dir).version, text)
    expect(() => openHome(dir)).toThrow(code('bad-input'))
  })

  it('is not made in a folder that holds something else', () => {
    const dir = temporaryFolder()
    fs.writeFileSync(path.join(dir, 'letter.txt'), 'Dear')
    expect(() => lockHome(dir)).toThrow(code('conflict'))
    expect(() => ensureHome(dir)).toThrow(code('conflict'))
    expect(fs.readdirSync(dir)).toEqual(['letter.txt'])
  })

  it('whose making was broken off is made whole', () => {
    const dir = temporaryFolder()
    lockHome(dir).release()
    fs.writeFileSync(path.join(dir, 'version.0badcafe.tmp'), '')
    const { identity } = ensureHome(dir)
    fs.rmSync(homePaths(dir).overlay, { force: true })
    const home = founded(dir)
    expect(home.identity).toEqual(identity)
    expect(home.overlay.keys).toHaveLength(1)
  })

  it.each(['', 'zz', 'ab'.repeat(31), 'AB'.repeat(32)])(
    'with the node key %j is called damaged, not replaced',
    text => {
      const dir = temporaryFolder()
      ensureHome(dir)
      fs.writeFileSync(homePaths(dir).nodeKey, text)
      expect(() => ensureHome(dir)).toThrow(code('bad-input'))
      expect(fs.readFileSync(homePaths(dir).nodeKey, 'utf8')).toBe(text)
    }
  )

  it('below a file says which path is wrong', () => {
    const file = path.join(temporaryFolder(), 'file')
    fs.writeFileSync(file, '')
    expect(() => lockHome(path.join(file, 'home'))).toThrow(code('bad-input'))
  })
})

describe('the overlay of a home', () => {
  it('gives way to a ticket while it is one of one', () => {
    const dir = temporaryFolder()
    const ticket = otherTicket()
    const home = join(founded(dir), ticket)
    expect(home.overlay).toEqual(overlayOfTicket(ticket))
    expect(openHome(dir)).toEqual(home)
  })

  it('does not once a member was met, and then does after leaving', () => {
    const dir = temporaryFolder()
    const home = markMet(founded(dir))
    const ticket = otherTicket()
    expect(() => join(home, ticket)).toThrow(code('conflict'))
    expect(openHome(dir).overlay).toEqual(home.overlay)
    const alone = leave(openHome(dir))
    expect(openHome(dir)).toEqual(alone)
    expect(alone.identity).toEqual(home.identity)
    expect(join(alone, ticket).overlay.id).toBe(ticket.overlay)
  })

  it('founded again after leaving is another one, by the same operator', () => {
    const dir = temporaryFolder()
    const first = founded(dir)
    const second = found(leave(first), 'local')
    expect(second.overlay.id).not.toBe(first.overlay.id)
    expect(second.overlay.settings.preset).toBe('local')
    expect(second.operator).toEqual(first.operator)
  })

  it('takes the key of a later ticket of its own to send with, and still accepts the one before', () => {
    const dir = temporaryFolder()
    const home = founded(dir)
    markMet(home)
    const rotated = { ...decodeTicket(encodeTicket(ticketFor(home.overlay, []))), key: new Uint8Array(32).fill(9) }
    const { overlay } = join(openHome(dir), rotated)
    expect(overlay.keys).toEqual([rotated.key, home.overlay.keys[0]])
    expect(overlay.met).toBe(true)
    expect(join(openHome(dir), rotated).overlay.keys).toHaveLength(2)
  })

  it('accepts at most four keys', () => {
    const dir = temporaryFolder()
    founded(dir)
    for (let i = 0; i < 6; i++) {
      const home = founded(dir)
      join(home, { ...decodeTicket(encodeTicket(ticketFor(home.overlay, []))), key: new Uint8Array(32).fill(i) })
    }
    expect(openHome(dir).overlay?.keys.map(one => one[0])).toEqual([5, 4, 3, 2])
  })

  it('is called damaged when any of its fields is', () => {
    const dir = temporaryFolder()
    founded(dir)
    const file = homePaths(dir).overlay
    const good = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>
    for (const field of Object.keys(good)) {
      for (const bad of [undefined, null, 7, 'x', [7], ['x'], { preset: 'moon' }, { replicas: 0 }]) {
        if (field === 'settings' && Array.isArray(bad)) continue
        fs.writeFileSync(file, JSON.stringify({ ...good, [field]: bad }))
        expect(() => openHome(dir), `${field}: ${JSON.stringify(bad)}`).toThrow(code('bad-input'))
      }
    }
    for (const text of ['', '[]', 'null', '{', '"x"']) {
      fs.writeFileSync(file, text)
      expect(() => openHome(dir), text).toThrow(code('bad-input'))
    }
    fs.writeFileSync(file, ' '.repeat(1 << 20))
    expect(() => openHome(dir)).toThrow(code('bad-input'))
    fs.writeFileSync(file, JSON.stringify(good))
    expect(openHome(dir).overlay?.id).toBe(good['overlay'])
  })
})
