/** One question that the benchmark answers. */
import type { Workshop } from '../workshop.ts'

export interface Options {
  /** Runs of each contender; of the slow cases as many as they say. */
  runs: number
  /** Size of the large file. */
  mib: number
  /** Small files in the folder. */
  files: number
  /** Daemons of the group that loses one. */
  nodes: number
  /** Names in the index. */
  names: number
  /** A line for whoever waits. */
  note: (text: string) => void
}

export interface Answer {
  title: string
  head: string[]
  rows: string[][]
  /** What is to be known about the figures. */
  notes: string[]
  /** Every figure, for scripts. */
  data: unknown
}

export interface Case {
  name: string
  run(workshop: Workshop, options: Options): Promise<Answer>
}
