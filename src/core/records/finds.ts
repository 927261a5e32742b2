/**
 * Finding the providers of a key: look up its replicas, ask all of them, and gather what they hold. The highest sequence
 * of each provider counts; signatures are checked here, so that no replica can name a provider that does not provide.
 */
import { Alarms } from '../../base/alarms.ts'
import type { Key, NodeId } from '../../base/ids.ts'
import { after, earliest, type Instant } from '../../base/time.ts'
import type { Contact } from '../../wire/common.ts'
import type { ProviderRecord, RecordsMessageOf } from '../../wire/records.ts'
import type { Verifier } from '../machine.ts'
import { isGenuine } from './claims.ts'
import type { RecordsContext } from './context.ts'
import type { Location, Provider } from './events.ts'
import { FINDS_MAX, PROVIDERS_MAX } from './settings.ts'

interface Find {
  readonly key: Key
  readonly deadline: Instant
  readonly best: Map<NodeId, ProviderRecord>
  /** Requests that were not answered yet. */
  readonly open: Set<number>
  replicas: number
  /** Replicas that answered as such. */
  answered: number
  failures: number
}

interface Get {
  readonly find: number
  readonly to: Contact
  sends: number
}

export class Finds {
  private readonly context: RecordsContext
  private readonly verifier: Verifier
  /** What this node holds for the key. */
  private readonly holds: (key: Key) => ProviderRecord[]
  private readonly finds = new Map<number, Find>()
  private readonly locating = new Map<number, number>()
  private readonly gets = new Map<number, Get>()
  private readonly deadlines = new Alarms<number>()
  /** When to look up again what was not found on the ring. */
  private readonly retries = new Alarms<number>()
  private readonly answers = new Alarms<number>()

  constructor(context: RecordsContext, verifier: Verifier, holds: (key: Key) => ProviderRecord[]) {
    this.context = context
    this.verifier = verifier
    this.holds = holds
  }

  start(key: Key, now: Instant): number {
    const id = this.context.nextRequest()
    const deadline = after(now, this.context.settings.findDeadlineMs)
    const find = { key, deadline, best: new Map(), open: new Set<number>(), replicas: 0, answered: 0, failures: 0 }
    this.finds.set(id, find)
    if (this.finds.size > FINDS_MAX) this.end(id, find)
    else {
      this.deadlines.set(id, deadline)
      this.locate(id, find)
    }
    return id
  }

  /** Returns whether the lookup was one of these. */
  located(request: number, location: Location | undefined, now: Instant): boolean {
    const id = this.locating.get(request)
    if (id === undefined) return false
    this.locating.delete(request)
    const find = this.finds.get(id)
    if (find === undefined) return true
    if (location === undefined) this.retries.set(id, after(now, this.context.backoffMs(find.failures++)))
    else this.ask(id, find, location, now)
    return true
  }

  got(from: NodeId, message: RecordsMessageOf<'got'>): void {
    const get = this.gets.get(message.request)
    const find = get === undefined ? undefined : this.finds.get(get.find)
    if (get?.to.id !== from || find === undefined) return
    this.close(message.request, find)
    if (message.mine) find.answered++
    for (const record of message.records) this.gather(find, record, from)
    if (find.open.size === 0) this.end(get.find, find)
  }

  memberDown(id: NodeId): void {
    for (const [request, get] of [...this.gets]) if (get.to.id === id) this.unanswered(request, get)
  }

  nextWake(): Instant | undefined {
    return earliest(this.deadlines.next(), this.retries.next(), this.answers.next())
  }

  wake(now: Instant): void {
    for (let request = this.answers.take(now); request !== undefined; request = this.answers.take(now)) {
      const get = this.gets.get(request)
      if (get === undefined) continue
      if (get.sends < this.context.settings.tries) this.send(request, get, now)
      else this.unanswered(request, get)
    }
    for (let id = this.retries.take(now); id !== undefined; id = this.retries.take(now)) {
      const find = this.finds.get(id)
      if (find !== undefined) this.locate(id, find)
    }
    for (let id = this.deadlines.take(now); id !== undefined; id = this.deadlines.take(now)) {
      const find = this.finds.get(id)
      if (find !== undefined) this.end(id, find)
    }
  }

  private locate(id: number, { key }: Find): void {
    const request = this.context.nextRequest()
    this.locating.set(request, id)
    this.context.outbox.emit({ kind: 'locate', request, key })
  }

  private ask(id: number, find: Find, { replicas, missing = 0 }: Location, now: Instant): void {
    find.replicas = replicas.length + missing
    for (const to of replicas) {
      if (to.id === this.context.self.id) {
        if (this.context.mayBeMine(find.key)) find.answered++
        for (const record of this.holds(find.key)) this.gather(find, record, to.id)
        continue
      }
      const request = this.context.nextRequest()
      const get = { find: id, to, sends: 0 }
      this.gets.set(request, get)
      find.open.add(request)
      this.send(request, get, now)
    }
    if (find.open.size === 0) this.end(id, find)
  }

  private send(request: number, get: Get, now: Instant): void {
    const find = this.finds.get(get.find)
    if (find === undefined) return
    get.sends++
    const channel = this.context.send(get.to, { kind: 'get', request, key: find.key })
    this.answers.set(request, after(now, this.context.answerMs(channel, get.sends)))
  }

  private unanswered(request: number, get: Get): void {
    const find = this.finds.get(get.find)
    if (find === undefined) return
    this.close(request, find)
    if (find.open.size === 0) this.end(get.find, find)
  }

  private gather(find: Find, record: ProviderRecord, from: NodeId): void {
    const known = find.best.get(record.provider)
    if (known !== undefined && known.sequence >= record.sequence) return
    if (known === undefined && find.best.size >= PROVIDERS_MAX) return
    const genuine = record.key === find.key && (from === this.context.self.id || isGenuine(this.verifier, record))
    if (genuine) find.best.set(record.provider, record)
    else
      this.context.outbox.emit({
        kind: 'misbehaved',
        peer: from,
        what: 'a provider record that its provider did not sign'
      })
  }

  private close(request: number, find: Find): void {
    this.gets.delete(request)
    this.answers.clear(request)
    find.open.delete(request)
  }

  private end(id: number, find: Find): void {
    for (const request of [...find.open]) this.close(request, find)
    this.finds.delete(id)
    this.deadlines.clear(id)
    this.retries.clear(id)
    const providers: Provider[] = []
    for (const { provider, held } of find.best.values()) if (held !== 'none') providers.push({ provider, held })
    const complete = find.answered > find.replicas / 2
    this.context.outbox.emit({ kind: 'providers', request: id, key: find.key, providers, complete })
  }
}
