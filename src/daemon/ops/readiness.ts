/**
 * Whether the node does its work, for probes. It starts; it runs, and may still wait for something (its own claim, the first
 * member, a place on the ring); with the first signal to stop it is not ready for good.
 */
import type { Runtime } from '../node/runtime.ts'

type Stage =
  | { kind: 'starting'; what: string }
  | { kind: 'running'; runtime: () => Runtime; met: () => boolean }
  | { kind: 'stopping' }

export class Readiness {
  private stage: Stage = { kind: 'starting', what: 'the disk' }

  starts(what: string): void {
    if (this.stage.kind === 'starting') this.stage = { kind: 'starting', what }
  }

  /** `met`: whether another member of the overlay was ever met. */
  runs(runtime: () => Runtime, met: () => boolean): void {
    if (this.stage.kind === 'starting') this.stage = { kind: 'running', runtime, met }
  }

  stops(): void {
    this.stage = { kind: 'stopping' }
  }

  get ready(): boolean {
    return this.waitsFor().length === 0
  }

  /** What is missing, in words that follow "waiting for"; empty when it is ready. */
  waitsFor(): string[] {
    const { stage } = this
    switch (stage.kind) {
      case 'starting':
        return [stage.what]
      case 'stopping':
        return ['its end: it was told to stop']
      case 'running':
        return missing(stage.runtime(), stage.met())
    }
  }
}

function missing({ self, view, overlay }: Runtime, met: boolean): string[] {
  const { membership, ring } = view
  const isAlone = membership.aliveCount() <= 1
  const strangers = overlay.contacts.some(({ id }) => id !== self)
  return [
    ...(membership.member(self) === undefined ? ['its own incarnation to be safe on disk'] : []),
    ...(strangers && isAlone && !met ? ['an answer of a member of its overlay'] : []),
    ...(ring.joined() ? [] : ['a place on the ring'])
  ]
}
