/** Throw-away copies of the project's shape, in which violations are planted. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

/** `files` maps names below the tree to what they say. Returns the tree's folder; the caller removes it. */
export function plantTree(files: Record<string, string>): string {
  const tree = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-tidy-')))
  for (const name of ['package.json', 'tsconfig.json']) fs.copyFileSync(path.join(root, name), path.join(tree, name))
  fs.symlinkSync(fs.realpathSync(path.join(root, 'node_modules')), path.join(tree, 'node_modules'))
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(tree, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
  }
  return tree
}
