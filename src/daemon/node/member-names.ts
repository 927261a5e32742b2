/** Nodes as people call them: by name, by peer ID, by a prefix of either that means one node only. */
import { ShoalError } from '../../base/errors.ts'
import { peerIdText, type NodeId } from '../../base/ids.ts'
import type { Member } from '../../core/membership/member.ts'

/** Letters at the end of a peer ID that tell nodes apart in a sentence; its beginning is the same for all Ed25519 keys. */
const SHORT_ID_LENGTH = 8

export function shortId(id: NodeId): string {
  return `…${peerIdText(id).slice(-SHORT_ID_LENGTH)}`
}

/** The member's name; the short ID for one that is not known. */
export function nameOf(id: NodeId, member: Member | undefined): string {
  return member === undefined || member.name === '' ? shortId(id) : member.name
}

/** Throws ShoalError `not-found`, or `conflict` when several match. */
export function memberCalled(text: string, members: Iterable<Member>): Member {
  const all = [...members]
  const exact = all.filter(member => member.name === text || peerIdText(member.id) === text)
  const matching = exact.length > 0 ? exact : all.filter(member => startsWith(member, text))
  const [first, ...others] = matching
  if (first === undefined) {
    throw new ShoalError('not-found', `no member is called ${JSON.stringify(text)}`, {
      hint: '`shoal members` lists them'
    })
  }
  if (others.length > 0) {
    throw new ShoalError('conflict', `${matching.length} members are called ${JSON.stringify(text)}`, {
      hint: `give more of the ID: ${matching.map(member => peerIdText(member.id)).join(', ')}`
    })
  }
  return first
}

function startsWith(member: Member, text: string): boolean {
  return text !== '' && (member.name.startsWith(text) || peerIdText(member.id).startsWith(text))
}
