/** What a user is told of a download that does not continue, or not now. */
import { ShoalError } from '../../base/errors.ts'
import type { ContentId } from '../../base/ids.ts'

export function paused(content: ContentId): ShoalError {
  return new ShoalError('interrupted', 'the download is paused', { hint: `go on: shoal get ${content}` })
}

export function removed(): ShoalError {
  return new ShoalError('interrupted', 'the download was removed')
}

/** `place`: the path of the content, or its ID. */
export function noRoom(place: string): ShoalError {
  return new ShoalError('disk-full', `no room left for ${place}`, {
    hint: 'make room: the download goes on by itself (`shoal get` again follows it)'
  })
}

export function holdersBanned(content: ContentId): ShoalError {
  return new ShoalError('integrity', `every holder of ${content} is banned for sending corrupt data`, {
    hint: '`shoal status` names them; the download goes on when another one holds it, and `shoal rm` forgets it'
  })
}

/** When the store does not say what went wrong. */
export function unwritable(content: ContentId, reason: 'conflict' | 'disk'): ShoalError {
  return new ShoalError(reason === 'disk' ? 'permission' : 'conflict', `${content} cannot be written`, {
    hint: 'choose another folder with -o'
  })
}

export function nothingToPause(content: ContentId, why: string): ShoalError {
  return new ShoalError('conflict', `there is nothing to pause: ${content} ${why}`, { hint: '`shoal status` shows it' })
}
