/** Work on one content runs one piece after the other, in the order in which it was asked for; different contents do not wait. */
import type { ContentId } from '../../base/ids.ts'
import { inBackground } from '../../io/background.ts'

export class Turns {
  private readonly last = new Map<ContentId, Promise<void>>()

  /** Settles as `act` does. `act` must not wait for another turn of the same content. */
  run<T>(content: ContentId, act: () => Promise<T>): Promise<T> {
    const before = this.last.get(content) ?? Promise.resolve()
    const turn = before.then(act)
    const ended = turn.then(
      () => undefined,
      () => undefined
    )
    this.last.set(content, ended)
    const cleaned = ended.then(() => {
      if (this.last.get(content) === ended) this.last.delete(content)
    })
    inBackground(cleaned)
    return turn
  }

  /** Resolves when nothing is under way or waits. */
  async idle(): Promise<void> {
    while (this.last.size > 0) await Promise.all(this.last.values())
  }
}
