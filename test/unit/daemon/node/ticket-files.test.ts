import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { foundOverlay, ticketFor } from '../../../../src/daemon/home/overlay.ts'
import { waitForTicket } from '../../../../src/daemon/node/ticket-files.ts'
import { encodeTicket } from '../../../../src/wire/ticket.ts'
import { temporaryFolder } from '../temporary.ts'

const overlay = foundOverlay(new Uint8Array(32), 'lan')
const ticket = encodeTicket(ticketFor(overlay, []))
const never = new AbortController().signal
const quiet = { signal: never, onWait: () => undefined }

function ticketFile(): string {
  return path.join(temporaryFolder(), 'ticket')
}

describe('a ticket in a file', () => {
  it('is taken at once where it lies there already', async () => {
    const file = ticketFile()
    fs.writeFileSync(file, `${ticket}\n`)
    const onWait = (): void => {
      throw new Error('nobody waits')
    }
    expect(await waitForTicket(file, { signal: never, onWait })).toMatchObject({ overlay: overlay.id })
  })

  it('is waited for, also where the file is still empty, and that is told once', async () => {
    const file = ticketFile()
    fs.writeFileSync(file, '\n')
    let told = 0
    const onWait = (): void => {
      told++
      fs.writeFileSync(file, ticket)
    }
    expect(await waitForTicket(file, { signal: never, onWait })).toMatchObject({ overlay: overlay.id })
    expect(told).toBe(1)
  })

  it('that does not come is an error with what to do', async () => {
    const file = ticketFile()
    const error = { code: 'timeout', message: `no ticket came to ${file} within 0.01 s`, hint: /invite-file/ }
    await expect(waitForTicket(file, { ...quiet, timeoutMs: 10 })).rejects.toMatchObject({
      ...error,
      hint: expect.stringMatching(error.hint) as string
    })
  })

  it('that is none is refused at once, with the name of the file', async () => {
    const file = ticketFile()
    fs.writeFileSync(file, ticket.slice(0, -1))
    await expect(waitForTicket(file, quiet)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(`${file}: `) as string
    })
  })

  it('is not waited for after a stop', async () => {
    const stop = new AbortController()
    const onWait = (): void => stop.abort()
    expect(await waitForTicket(ticketFile(), { signal: stop.signal, onWait })).toBeUndefined()
  })
})
