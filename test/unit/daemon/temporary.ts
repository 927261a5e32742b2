/** A folder of its own for each test, gone after it. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'

export function temporaryFolder(): string {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-')))
  onTestFinished(() => {
    fs.rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
