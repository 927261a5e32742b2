/**
 * cat: makes a file readable over the gateway for as long as the caller listens. What is neither held nor fetched is fetched in passing
 * (downloads/ephemeral.ts), and goes with the caller. The bytes go by `GET`.
 */
import { ShoalError } from '../../../base/errors.ts'
import { isId, type ContentId, type NodeId } from '../../../base/ids.ts'
import type { Params, ResultOf } from '../../../wire/control/methods.ts'
import { isMagnet } from '../../../wire/bittorrent/magnet.ts'
import { pathOf } from '../../../wire/bittorrent/metainfo.ts'
import type { Call, Handlers } from '../server.ts'
import { findContent, ownContent } from '../../search/find.ts'
import { CONTENT_PREFIX, encodedPath, findIn } from '../../gateway/place.ts'
import { refuseUnreadable } from '../../gateway/reading.ts'
import type { Services } from '../services.ts'
import { manifestOf } from './share.ts'

export function catHandlers(services: Services): Pick<Handlers, 'cat'> {
  return { cat: async (params, call) => cat(services, params, call) }
}

async function cat(services: Services, { what, path }: Params<'cat'>, call: Call<'cat'>): Promise<ResultOf<'cat'>> {
  const { signal, emit } = call
  const { content, holders } = await found(services, what, call)
  const manifest = await manifestOf(services, content, holders)
  const names = path === undefined || path === '' ? [] : path.split('/')
  const place = findIn(manifest, names)
  if (place === undefined) {
    throw new ShoalError('not-found', `${content} has no file ${JSON.stringify(names.join('/').slice(0, 80))}`, {
      hint: `its files: shoal ls ${content}`
    })
  }
  if (place.kind === 'folder') {
    throw new ShoalError('bad-input', 'this is a folder, and cat prints one file', {
      hint: `its files: shoal ls ${content}`
    })
  }
  const { entry, file } = place
  const isOurs = services.store.holding(content) !== undefined && !services.passing.has(content)
  const contacts = holders.flatMap(id => services.runtime().contact(id) ?? [])
  const release = isOurs ? undefined : await services.passing.hold(manifest, file, contacts)
  try {
    signal.throwIfAborted()
    await refuseUnreadable(services, { content, file, layout: manifest.layout })
    const url = `${CONTENT_PREFIX}${content}/${manifest.singleFile ? '' : encodedPath(pathOf(entry))}`
    emit({ event: 'open', id: content, url, bytes: entry.lengthBytes })
    await aborted(signal)
  } finally {
    await release?.()
  }
  return { closed: true }
}

/** What is here needs nobody else: not the network, and not those who hold it. */
async function found(
  services: Services,
  what: string,
  { signal, emit }: Call<'cat'>
): Promise<{ content: ContentId; holders: readonly NodeId[] }> {
  if (what === '')
    throw new ShoalError('usage', 'cat needs an ID or a name', { hint: '`shoal ls --all` lists what is shared' })
  if (!isMagnet(what)) {
    const own = await ownContent(services, what).catch((error: unknown) => {
      if (error instanceof ShoalError && error.code === 'not-found') return undefined
      throw error
    })
    const isPassing = own !== undefined && services.passing.has(own)
    if (own !== undefined && !isPassing && (await services.store.manifest(own)) !== undefined)
      return { content: own, holders: [] }
  }
  emit({ event: 'waiting', for: isId(what) ? 'those who hold it' : 'the members to say who has it' })
  return findContent(services, what, signal)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
