/** A detector that is told its verdicts: claims, suspicions and their spreading need nothing else of it. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { NodeId } from '../../../../../src/base/ids.ts'
import type { Instant } from '../../../../../src/base/time.ts'
import type {
  Answer,
  DetectorAct,
  DetectorParts,
  FailureDetector
} from '../../../../../src/core/membership/detector/detector.ts'
import { suspicionBoundsMs } from '../../../../../src/core/membership/settings.ts'
import type { Peer } from '../lone.ts'
import { Lone, peers, PERIOD_MS } from '../lone.ts'

class Told implements FailureDetector {
  readonly counts = { probes: 0, indirectProbes: 0, failedProbes: 0 }
  readonly parts: DetectorParts
  readonly members = new Set<NodeId>()
  readonly signs: NodeId[] = []
  readonly acks: number[] = []
  acts: DetectorAct[] = []
  excused = 0
  private at: Instant | undefined

  constructor(parts: DetectorParts) {
    this.parts = parts
  }

  begin(now: Instant): void {
    this.at = now
  }

  end(): void {
    this.at = undefined
  }

  memberUp(id: NodeId): void {
    this.members.add(id)
  }

  memberDown(id: NodeId): void {
    this.members.delete(id)
  }

  heard(from: NodeId): void {
    this.signs.push(from)
  }

  acked(from: NodeId, _via: string, sequence: number): Answer {
    this.acks.push(sequence)
    return { member: from, roundTripMs: 12 }
  }

  excuse(): void {
    this.excused++
  }

  wake(now: Instant): DetectorAct[] {
    if (this.at !== undefined) this.at = (now + PERIOD_MS) as Instant
    return this.acts.splice(0)
  }

  nextWake(): Instant | undefined {
    return this.at
  }
}

let told: Told
let lone: Lone
const [a, b] = peers(2) as [Peer, Peer]

beforeEach(() => {
  lone = new Lone({ detector: parts => (told = new Told(parts)) })
  lone.gossip(a, a.alive(1), b.alive(1))
  lone.sent = []
})

describe('a detector that is told its verdicts', () => {
  it('hears who is up and who has left, and every sign of life', () => {
    expect([...told.members]).toEqual([a.id, b.id])
    expect(told.signs).toEqual([a.id])
    expect(told.parts.members.get(b.id)).toMatchObject({ incarnation: 1, isLive: true })
    lone.gossip(a, b.claims.leave(1))
    expect([...told.members]).toEqual([a.id])
    expect(told.parts.members.get(b.id)).toMatchObject({ isLive: false })
  })

  it('makes a member suspect, then dead when it does not deny that in time', () => {
    told.acts = [{ kind: 'silent', member: b.id }]
    lone.advance(PERIOD_MS)
    expect(lone.stateOf(b)).toBe('suspect@1')
    expect(lone.takeClaims()).toContainEqual(expect.objectContaining({ kind: 'suspect', subject: b.id }))
    lone.advance(suspicionBoundsMs(3, PERIOD_MS).maxMs)
    expect(lone.stateOf(b)).toBe('dead@1')
    expect([...told.members]).toEqual([a.id])
  })

  it('is denied by a higher incarnation', () => {
    told.acts = [{ kind: 'silent', member: b.id }]
    lone.advance(PERIOD_MS)
    lone.gossip(a, b.alive(2))
    lone.advance(suspicionBoundsMs(3, PERIOD_MS).maxMs)
    expect(lone.stateOf(b)).toBe('alive@2')
  })

  it('has its questions sent in order, and hears the answers', () => {
    const sequence = told.parts.nextSequence()
    told.acts = [
      { kind: 'ping', to: b.id, via: 'datagram', sequence },
      { kind: 'ping-request', proxy: a.id, target: b.id, sequence }
    ]
    lone.advance(PERIOD_MS)
    const sent = lone.sent.filter(({ message }) => message.kind === 'ping' || message.kind === 'ping-request')
    expect(sent.map(({ to, message }) => [to, message.kind])).toEqual([
      [b.id, 'ping'],
      [a.id, 'ping-request']
    ])
    lone.hear(b, { kind: 'ack', sequence, rumours: [] })
    expect(told.acks).toEqual([sequence])
    expect(lone.machine.member(b.id)?.rttMs).toBe(12)
  })

  it('is excused for the time in which this process was stopped', () => {
    lone.mono = (lone.mono + 10 * PERIOD_MS) as Instant
    lone.gossip(a, a.alive(2))
    expect(told.excused).toBe(1)
  })

  it('rests once the node leaves', () => {
    lone.machine.leave(lone.now)
    expect(told.nextWake()).toBeUndefined()
  })
})
