/** doctor and top. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Handlers } from '../server.ts'
import { examineNode } from '../../ops/doctor/doctor.ts'
import { Top } from '../../ops/top.ts'
import type { Services } from '../services.ts'
import { every } from './every.ts'

/** Between two frames. */
const FRAME_MS = 1_000
/** For one frame alone: long enough that its rates mean something. */
const LOOK_MS = 500

export function opsHandlers(services: Services): Pick<Handlers, 'doctor' | 'top'> {
  return {
    doctor: async ({ client }, { signal }) => examineNode(services, client, signal),
    top: async ({ follow }, { signal, emit }) => {
      const top = new Top(services)
      if (follow === true) {
        for await (const _ of every(FRAME_MS, signal, services.settled)) emit({ event: 'top', ...(await top.frame()) })
      }
      await top.frame()
      await sleep(LOOK_MS, undefined, { signal })
      return top.frame()
    }
  }
}
