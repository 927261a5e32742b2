/**
 * What every message of a node travels in: a byte that names the room, then the room's own message. The same on datagrams
 * and on streams. The bytes are the numbers of the rooms in the table.
 */
import { union, type Codec } from '../../wire/codec/codec.ts'
import type { Table, TableMessage } from './room.ts'
import { table, type NodeMessage } from './table.ts'

export function envelopeOf<T extends Table>(rooms: T): Codec<TableMessage<T>> {
  const entries = Object.entries(rooms)
  const numbers = Object.fromEntries(entries.map(([name, { number }]) => [name, number]))
  const messages = Object.fromEntries(entries.map(([name, { codec }]) => [name, { message: codec }]))
  // The union of rooms by name is what TableMessage says.
  return union(numbers, messages)
}

export const nodeCodec: Codec<NodeMessage> = envelopeOf(table)
export type { NodeMessage } from './table.ts'
