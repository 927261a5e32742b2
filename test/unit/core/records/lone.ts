/** One records machine, and other nodes and a ring that a test speaks for. */
import { nodeId, overlayId, placeOf, type Key } from '../../../../src/base/ids.ts'
import type { KeyRange } from '../../../../src/base/ring.ts'
import { Random } from '../../../../src/base/random.ts'
import { instant, wallMs } from '../../../../src/base/time.ts'
import type { Now, Verifier } from '../../../../src/core/machine.ts'
import { claim } from '../../../../src/core/records/claims.ts'
import { Records, type RecordsEvent, type RecordsSettings } from '../../../../src/core/records/records.ts'
import { Notary } from '../../../../src/sim/outside/signing.ts'
import type { Contact } from '../../../../src/wire/common.ts'
import type { Held, ProviderRecord, RecordCopy, RecordsMessage } from '../../../../src/wire/records.ts'

export const at = (ms: number): Now => ({ mono: instant(ms), wall: wallMs(0) })
export const notary = new Notary(new Uint8Array(32), overlayId(new Uint8Array(32)))
export const key = (digit: string): Key => digit.repeat(64) as Key
const random = Random.from('records')
export const contacts: Contact[] = Array.from({ length: 6 }, (_, i) => ({
  id: nodeId(random.bytes(32)),
  address: { host: `10.0.0.${i}`, port: 4_000 }
}))
export const HOUR_MS = 3_600_000

export function recordOf(
  provider: Contact,
  fields: Partial<{ key: Key; sequence: number; held: Held }> = {}
): ProviderRecord {
  return claim(notary.signer(provider.id), { key: key('1'), sequence: 1, held: 'all', ttlMs: 48 * HOUR_MS, ...fields })
}
export const copyOf = (record: ProviderRecord, leftMs = record.ttlMs): RecordCopy => ({ record, leftMs })

export class Lone {
  readonly self: Contact
  readonly disk: Map<string, Uint8Array>
  readonly sent: Array<{ to: Contact; channel: string; message: RecordsMessage }> = []
  readonly events: RecordsEvent[] = []
  /** Writes that have not ended, in order. */
  readonly writes: Array<{ token: number; key: string; value: Uint8Array | undefined }> = []
  verified = 0
  ms = 0
  readonly records: Records

  constructor(self: Contact, settings: Partial<RecordsSettings> = {}, disk = new Map<string, Uint8Array>()) {
    this.self = self
    this.disk = disk
    const verifier: Verifier = {
      verify: (...args) => {
        this.verified++
        return notary.verify(...args)
      }
    }
    const machine = { self, random: Random.from(1), signer: notary.signer(self.id), verifier, restored: new Map(disk) }
    this.records = new Records(machine, { settings }, at(0))
    this.keep()
  }

  do(act: (records: Records, now: Now) => void): void {
    act(this.records, at(this.ms))
    this.keep()
  }

  hear(from: Contact, message: RecordsMessage): void {
    this.do((records, now) => {
      records.receive(from, 'datagram', message, now)
    })
  }

  /** The disk ends all that is under way. */
  sync(ok = true): void {
    for (const write of this.writes.splice(0)) {
      if (ok && write.value !== undefined) this.disk.set(write.key, write.value)
      else if (ok) this.disk.delete(write.key)
      this.do((records, now) => {
        records.done(write.token, ok ? { ok } : { ok, reason: 'disk-full' }, now)
      })
    }
  }

  until(ms: number): void {
    for (let next = this.records.nextWake(); next !== undefined && next <= ms; next = this.records.nextWake()) {
      this.ms = Math.max(this.ms, next)
      this.do((records, now) => {
        records.wake(now)
      })
    }
    this.ms = ms
  }

  /** The ring says that this node owns everything, together with these; and from where on it holds and takes copies. */
  owns(replicas: readonly Contact[] = [this.self], from: { replicated?: Key; accepted?: Key } = {}): void {
    const to = placeOf(this.self.id)
    const owned = [{ from: to, to, replicas }]
    const charge = {
      owned,
      replicated: { from: from.replicated ?? to, to },
      accepted: { from: from.accepted ?? to, to }
    }
    this.do((records, now) => {
      records.rangesChanged(charge, now)
    })
  }

  /** Answers every lookup that was asked for and not answered yet. */
  locate(replicas: readonly Contact[], range?: KeyRange): void {
    for (const event of this.events.splice(0)) {
      if (event.kind !== 'locate') this.events.push(event)
      else {
        const location = { owner: replicas[0]!, replicas, ...(range === undefined ? {} : { range }) }
        this.do((records, now) => {
          records.located(event.request, location, now)
        })
      }
    }
  }

  last<K extends RecordsMessage['kind']>(kind: K, to?: Contact): Extract<RecordsMessage, { kind: K }> | undefined {
    const found = this.sent.findLast(({ message, to: whom }) => message.kind === kind && (to ?? whom).id === whom.id)
    return found?.message as Extract<RecordsMessage, { kind: K }> | undefined
  }

  /** The other one has all of the last put to it on its disk. */
  ack(by: Contact): void {
    const put = this.last('put', by)
    if (put === undefined) throw new Error('no put to ack')
    const outcomes = put.copies.map(({ record }) => ({ verdict: 'stored' as const, sequence: record.sequence }))
    this.hear(by, { kind: 'stored', request: put.request, outcomes })
  }

  private keep(): void {
    for (const effect of this.records.drain()) {
      if (effect.kind === 'send') this.sent.push({ to: effect.to, channel: effect.channel, message: effect.message })
      else if (effect.kind === 'emit') this.events.push(effect.event)
      else if (effect.kind === 'persist')
        this.writes.push({ token: effect.token, key: effect.key, value: effect.value })
    }
  }
}
