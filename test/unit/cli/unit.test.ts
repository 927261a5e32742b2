import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { quotedWord, systemUnit, UNIT_MARK, userUnit } from '../../../src/cli/service/unit.ts'

const verifier = spawnSync('systemd-analyze', ['--version']).status === 0

function folder(): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-unit-'))
  onTestFinished(() => fs.rmSync(made, { recursive: true, force: true }))
  return made
}

/** A program that is there, at a path with everything in it that has a meaning for systemd. */
function strangePaths(): { program: string; home: string } {
  const root = folder()
  const program = path.join(root, 'a "node" %n $HOME \\x41')
  fs.copyFileSync('/bin/true', program)
  fs.chmodSync(program, 0o755)
  return { program, home: path.join(root, "it's 100% $HOME \t\n%h;") }
}

describe('a unit', () => {
  it('quotes words as systemd reads them', () => {
    expect(quotedWord('/usr/bin/node')).toBe('"/usr/bin/node"')
    expect(quotedWord('a "b" \\ 100% $HOME\n')).toBe('"a \\"b\\" \\\\ 100%% $$HOME\\x0a"')
  })

  it('runs the daemon itself, and restarts it only where that may help', () => {
    for (const unit of [userUnit, systemUnit].map(make => make({ command: ['/n', '/s', 'daemon'], home: '/h' }))) {
      const lines = unit.split('\n')
      expect(lines[0]).toBe(UNIT_MARK)
      expect(lines).toEqual(
        expect.arrayContaining([
          ...['Type=exec', 'ExecStart="/n" "/s" "daemon"', 'Restart=on-failure', 'RestartPreventExitStatus=64 10 11'],
          ...['NoNewPrivileges=yes', 'SystemCallFilter=@system-service', '[Install]']
        ])
      )
    }
  })

  it('of a user takes away nothing that a user may share, of the machine all but its own folder', () => {
    const told = { command: ['/n'], home: '/h' }
    expect(userUnit(told)).not.toMatch(/Protect|Private|DynamicUser/)
    expect(systemUnit(told)).toMatch(/^ProtectSystem=strict$/m)
    expect(systemUnit(told)).toMatch(/^DynamicUser=yes$/m)
    expect(systemUnit(told)).toMatch(/^CapabilityBoundingSet=$/m)
  })

  it.runIf(verifier)('is clean for systemd-analyze, also with strange paths', () => {
    const { program, home } = strangePaths()
    for (const make of [userUnit, systemUnit]) {
      const file = path.join(folder(), 'shoal.service')
      fs.writeFileSync(file, make({ command: [program, '--home', home, 'daemon'], home }))
      const scope = make === userUnit ? ['--user'] : []
      const env = { ...process.env, XDG_RUNTIME_DIR: folder() }
      const { status, stdout, stderr } = spawnSync('systemd-analyze', [...scope, 'verify', '--man=no', file], {
        ...{ encoding: 'utf8', env }
      })
      const said = `${stdout}${stderr}`.split('\n').filter(line => line.includes(path.basename(file)))
      expect([status, said]).toEqual([0, []])
    }
  })
})
