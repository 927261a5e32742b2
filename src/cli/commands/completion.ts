/** completion: prints a script for a shell, made of the grammar of the command line. */
import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import { placesOf, type Place } from '../completion/tree.ts'
import { zshScript } from '../completion/zsh.ts'
import type { Context } from '../context.ts'

const SCRIPTS: Readonly<Record<string, (places: readonly Place[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript
}

export async function completion({ output }: Context, program: Command, shell: string): Promise<void> {
  const scriptOf = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
  if (scriptOf === undefined) {
    throw new ShoalError('usage', `there is no completion for ${JSON.stringify(shell)}`, {
      hint: `shells: ${Object.keys(SCRIPTS).join(', ')}`
    })
  }
  const script = scriptOf(placesOf(program))
  output.answer({ json: { shell, script }, text: () => script, ids: () => [] })
}
