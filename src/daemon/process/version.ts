import { readFileSync } from 'node:fs'

/** As package.json says. It lies two folders up from src/daemon as from dist/daemon. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
