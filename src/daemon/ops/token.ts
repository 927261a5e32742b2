/** The secret that a scraper shows: a file of its own, so that it can be handed over without the home. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import path from 'node:path'
import { ShoalError } from '../../base/errors.ts'
import { readSmallFile, writeFileAtomic } from '../home/files.ts'

/** Unless a setting names another file. */
const TOKEN_FILE = 'metrics-token'
const TOKEN_BYTES = 32
/** A token that somebody chose: RFC 6750, 2.1, and not so short that it can be tried out. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,512}=*$/

/** Where it lies. `told` is the setting, absolute or empty. */
export function tokenFile(home: string, told: string): string {
  return told === '' ? path.join(home, TOKEN_FILE) : told
}

/** Makes the file, readable for its owner only, where there is none. Throws ShoalError `bad-input` for one that holds no token. */
export function readToken(file: string): string {
  const told = readSmallFile(file)?.trim()
  if (told === undefined) {
    const fresh = randomBytes(TOKEN_BYTES).toString('base64url')
    writeFileAtomic(file, `${fresh}\n`)
    return fresh
  }
  if (TOKEN.test(told)) return told
  throw new ShoalError('bad-input', `${file} holds no token: 16 to 512 letters, digits and -._~+/`, {
    hint: 'remove it, and the daemon makes one when it starts'
  })
}

/** Whether the header `Authorization` shows the token. Takes as long whatever is wrong. */
export function showsToken(header: string | undefined, token: string): boolean {
  const shown = /^Bearer +(.{1,1024})$/i.exec(header ?? '')?.[1] ?? ''
  return timingSafeEqual(digest(shown), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
