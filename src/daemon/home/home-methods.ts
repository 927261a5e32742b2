/** The methods that work on a home without its daemon (wire/control/home.ts). Each holds the lock for as long as it changes. */
import { ShoalError } from '../../base/errors.ts'
import { peerIdText } from '../../base/ids.ts'
import type { HomeMethod, HomeParams, HomeResult } from '../../wire/control/home.ts'
import { settingKey } from '../../wire/control/settings.ts'
import { decodeTicket } from '../../wire/ticket.ts'
import { keepSettings, resolveConfig, settingRow } from './config.ts'
import { ensureHome, found, join, leave, lockHome, openHome, presetOf, type Home } from './home.ts'

type Methods = {
  readonly [M in HomeMethod]: (dir: string, params: HomeParams<M>) => HomeResult<M> | Promise<HomeResult<M>>
}

export const homeMethods: Methods = {
  init(dir, { name, preset }) {
    const wanted = preset === undefined ? undefined : presetOf(preset)
    const home = readyHome(dir) ?? locked(dir, () => found(ensureHome(dir), wanted ?? 'lan'))
    const has = home.overlay.settings.preset
    if (wanted !== undefined && has !== wanted) {
      throw new ShoalError('conflict', `the overlay of this home has the preset ${has}, and that is for good`, {
        hint: `\`shoal leave\`, then \`shoal init --preset ${wanted}\` founds another one`
      })
    }
    if (name !== undefined) keepSettings(dir, { name })
    const { settings } = resolveConfig(dir)
    return { id: peerIdText(home.identity.id), name: settings.name, overlay: home.overlay.id }
  },

  join(dir, { ticket }) {
    const decoded = decodeTicket(ticket)
    const { overlay } = locked(dir, () => join(ensureHome(dir), decoded))
    return { overlay: overlay.id, members: 0 }
  },

  leave(dir) {
    // Refused where there is no home, before one is made.
    openHome(dir)
    locked(dir, () => leave(openHome(dir)))
    return { left: true }
  },

  async doctor(dir) {
    // It looks at much of the daemon; the other methods are to be quick.
    const { examineHome } = await import('../ops/doctor/doctor.ts')
    return examineHome(dir)
  },

  'config.show'(dir) {
    return { settings: [...resolveConfig(dir).rows] }
  },

  'config.get'(dir, { key }) {
    return settingRow(resolveConfig(dir), key)
  },

  'config.set'(dir, { key, value }) {
    const known = settingKey(key)
    // Makes the folder; the daemon that holds the lock reads its settings when it starts next.
    if (readyHome(dir) === undefined) locked(dir, () => ensureHome(dir))
    keepSettings(dir, { [known]: value })
    return settingRow(resolveConfig(dir), key)
  }
}

/** A home that lacks nothing, without its lock: its daemon may be running. */
function readyHome(dir: string): (Home & { overlay: NonNullable<Home['overlay']> }) | undefined {
  try {
    const home = openHome(dir)
    return home.overlay === undefined ? undefined : { ...home, overlay: home.overlay }
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'not-found') return undefined
    throw error
  }
}

function locked<T>(dir: string, work: () => T): T {
  const lock = lockHome(dir)
  try {
    return work()
  } finally {
    lock.release()
  }
}
