/** What bin imports from the build has a source: a moved file is found here, not by whoever starts the demo. */
import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { root } from './tree.ts'

it('every file of the build that bin names has a source', () => {
  const scripts = fs.globSync('bin/*.js', { cwd: root })
  const named = scripts.flatMap(script => {
    const text = fs.readFileSync(path.join(root, script), 'utf8')
    return [...text.matchAll(/dist\/([\w/-]+)\.js/g)].map(([, name = '']) => `src/${name}.ts`)
  })
  expect(named.length).toBeGreaterThan(2)
  expect(named.filter(name => !fs.existsSync(path.join(root, name)))).toEqual([])
})
