/** The ring of keys drawn with letters: key 0 at the top, clockwise, every node where its key stands. */

export interface RingMark {
  label: string
  /** 64 hexadecimal digits. */
  key: string
  mark: string
}

/** Half the width and height of the ellipse in letters; a letter is about twice as high as wide. */
const RADIUS_X = 16
const RADIUS_Y = 6
const DOTS = 96
const LABEL_LENGTH_MAX = 24

/** Lines of text without trailing blanks. Labels that would lie on one another move down a line. */
export function ringPicture(marks: readonly RingMark[]): string[] {
  const margin = LABEL_LENGTH_MAX + 3
  const width = 2 * (RADIUS_X + margin) + 1
  const canvas = Array.from({ length: 2 * RADIUS_Y + 3 }, () => new Array<string>(width).fill(' '))
  const put = (x: number, y: number, text: string): void => {
    const row = canvas[y]
    if (row !== undefined)
      for (let i = 0; i < text.length; i++) if (x + i >= 0 && x + i < width) row[x + i] = text.charAt(i)
  }
  const at = (turn: number): { x: number; y: number } => ({
    x: margin + RADIUS_X + Math.round(RADIUS_X * Math.sin(2 * Math.PI * turn)),
    y: 1 + RADIUS_Y - Math.round(RADIUS_Y * Math.cos(2 * Math.PI * turn))
  })
  for (let i = 0; i < DOTS; i++) {
    const { x, y } = at(i / DOTS)
    put(x, y, '·')
  }
  const taken = new Set<string>()
  for (const { label, key, mark } of marks.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    const turn = Number.parseInt(key.slice(0, 8), 16) / 2 ** 32
    const { x, y } = at(turn)
    put(x, y, mark)
    const right = turn <= 0.5
    let row = y
    while (taken.has(`${right}${row}`) && row < canvas.length - 1) row++
    taken.add(`${right}${row}`)
    const text = label.slice(0, LABEL_LENGTH_MAX)
    if (right) put(x + 1, row, ` ${text}`)
    else put(x - 1 - text.length, row, `${text} `)
  }
  return canvas.map(row => row.join('').trimEnd())
}
