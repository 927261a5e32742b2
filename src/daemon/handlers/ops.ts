/** doctor. */
import type { Handlers } from '../control/server.ts'
import { examineNode } from '../ops/doctor/doctor.ts'
import type { Services } from '../services.ts'

export function opsHandlers(services: Services): Pick<Handlers, 'doctor'> {
  return {
    doctor: async ({ client }, { signal }) => examineNode(services, client, signal)
  }
}
