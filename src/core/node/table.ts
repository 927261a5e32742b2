/**
 * The rooms of a shoal's node. This is the one place where a room is added: an entry in rooms/ and a line here. Its messages,
 * commands, events and settings are the node's then.
 *
 * The order is that of the rooms' generators and tokens: append only, so that seeds of the simulator keep their meaning.
 */
import type { RoomsOf, TableCommand, TableEvent, TableMessage } from './room.ts'
import { exchange } from './rooms/exchange.ts'
import { membership } from './rooms/membership.ts'
import { records } from './rooms/records.ts'
import { ring } from './rooms/ring.ts'
import { search } from './rooms/search.ts'

export const table = { membership, ring, records, exchange, search }

type NodeTable = typeof table
export type RoomName = keyof NodeTable
export type Rooms = RoomsOf<NodeTable>
export type NodeMessage = TableMessage<NodeTable>
/** Work for io: blocks and files, or the index of names. */
export type NodeCommand = TableCommand<NodeTable>
export type NodeEvent = TableEvent<NodeTable>

export const ROOM_NAMES = Object.keys(table) as readonly RoomName[]

export type NodeSettings = { readonly [N in RoomName]: ReturnType<NodeTable[N]['settings']> }
