/** Bugs of the exchange: one at least for each property of its scenario. */
import type { Mutant } from '../mutants.ts'

const ROOM = 'src/core/exchange'
const scenario = 'exchange'

export const mutants: Mutant[] = [
  {
    name: 'records-what-was-written-during-the-sync',
    property: 'no-wrong-byte',
    file: `${ROOM}/download/recorder.ts`,
    find: 'else this.record(bits, then, at)',
    replace: 'else this.record(this.holding.leafBits(), then, at)',
    scenario,
    seeds: 100
  },
  {
    name: 'finishes-without-a-sync',
    property: 'synced-first',
    file: `${ROOM}/download/recorder.ts`,
    find: 'this.waiting = then\n    this.sync(now)',
    replace: 'then(now)',
    scenario,
    seeds: 10
  },
  {
    name: 'asks-again-for-leaves-of-partial-pieces',
    property: 'synced-kept',
    file: `${ROOM}/picker/picker.ts`,
    find: 'this.write(this.activate(piece), leafStart + i)',
    replace: 'if (i > 0) this.write(this.activate(piece), leafStart + i)',
    scenario,
    seeds: 100
  },
  {
    name: 'asks-for-all-that-a-source-would-take',
    property: 'in-flight',
    file: `${ROOM}/download/fetch.ts`,
    find: 'this.context.settings.inFlightBytesMax - this.context.inFlightBytes\n    )',
    replace: 'Infinity\n    )',
    scenario,
    seeds: 50
  },
  {
    name: 'takes-over-what-is-asked-of-two',
    property: 'one-ask',
    file: `${ROOM}/download/fetch.ts`,
    find: 'if (claimCount === 1 && this.takesOver(source, other))',
    replace: 'if (this.takesOver(source, other))',
    scenario,
    seeds: 200
  },
  {
    name: 'keeps-requests-whose-hashes-will-not-come',
    property: 'hashes-first',
    file: `${ROOM}/download/fetch.ts`,
    find: 'if (!request.hashes || activePiece === undefined || activePiece.hashes) return',
    replace: 'if (request.hashes || activePiece === undefined || activePiece.hashes) return',
    scenario,
    seeds: 200
  },
  {
    name: 'takes-a-short-last-piece-for-its-leaf',
    property: 'hashes-first',
    file: `${ROOM}/download/fetch.ts`,
    find: 'if (this.layout.isOwnHash(range.piece)) return false',
    replace: 'if (this.layout.leavesOf(range.piece) === 1) return false',
    scenario,
    seeds: 20
  },
  {
    name: 'asks-on-of-who-sent-a-bad-leaf',
    property: 'bans-liars',
    file: `${ROOM}/download/download.ts`,
    find: "this.context.ban(source.contact, this.content, 'bad-leaf', now)",
    replace: 'source.busyUntil = now.mono',
    scenario,
    seeds: 50
  },
  {
    name: 'serves-what-it-does-not-hold',
    property: 'no-honest-banned',
    file: `${ROOM}/held-leaves.ts`,
    find: 'this.partials.delete(piece)\n      whole.add(piece)',
    replace: 'this.partials.delete(piece)\n      whole.add(piece)\n      whole.add((piece + 1) % whole.length)',
    scenario,
    seeds: 50
  },
  {
    name: 'serves-on-after-a-failed-sync',
    property: 'no-honest-banned',
    file: `${ROOM}/exchange.ts`,
    find: 'entry.share.hide()\n',
    replace: '\n',
    scenario,
    seeds: 200
  },
  {
    name: 'never-tries-a-full-disk-again',
    property: 'completes',
    file: `${ROOM}/download/download.ts`,
    find: "const retryAt = reason === 'disk-full' ? after(now.mono, DISK_RETRY_MS) : undefined",
    replace: 'const retryAt = undefined',
    scenario,
    seeds: 100
  },
  {
    name: 'restores-without-a-word',
    property: 'completes',
    file: `${ROOM}/upload/shared-content.ts`,
    find: 'if (holding === undefined || back.length === 0) return back',
    replace: 'if (back.length >= 0) return back',
    scenario: 'withdrawal',
    seeds: 50
  },
  {
    name: 'forgets-that-files-come-back',
    property: 'completes',
    file: `${ROOM}/held-leaves.ts`,
    find: 'return gone === undefined || gone.empty ? [] : [...pieces].filter(piece => gone.delete(piece))',
    replace: 'return [...pieces].filter(() => gone === undefined)',
    scenario: 'withdrawal',
    seeds: 50
  },
  {
    name: 'announces-what-is-gone',
    property: 'announces-what-it-holds',
    file: `${ROOM}/exchange.ts`,
    find: "if (held !== before) this.outbox.emit({ kind: 'announce', content, held })",
    replace: '',
    scenario: 'withdrawal',
    seeds: 50
  },
  {
    name: 'does-not-say-what-it-has-lost',
    property: 'names-what-is-missing',
    file: `${ROOM}/upload/shared-content.ts`,
    find: 'this.sendGone([contact], firstOf(holding.withdrawn(), GONE_SENT_MAX))',
    replace: '',
    scenario: 'withdrawal',
    seeds: 200
  },
  {
    name: 'hears-no-reader',
    property: 'needed-soon',
    file: `${ROOM}/picker/picker.ts`,
    find: 'if (needed !== undefined) return needed',
    replace: '',
    scenario: 'reading',
    seeds: 40
  },
  {
    name: 'lets-a-reader-wait-its-turn',
    property: 'needed-soon',
    file: `${ROOM}/download/read-ahead.ts`,
    find: 'this.parts.drop(giving)',
    replace: '',
    scenario: 'reading',
    seeds: 40
  },
  {
    name: 'leaves-what-gave-way-unasked',
    property: 'completes',
    file: `${ROOM}/download/read-ahead.ts`,
    find: 'this.parts.drop(giving)',
    replace: 'for (const one of giving) one.source.requests.delete(one.id)',
    scenario: 'reading',
    seeds: 40
  }
]
