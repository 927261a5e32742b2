/** Homes, ports and addresses on which a daemon cannot start, and those on which it must. */
import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { bin, shoal, start, temporaryFolder } from '../cli/shoal.ts'
import { ANY_PORT, running } from './daemons.ts'
import { isRoot, nobody } from '../../fixtures/other-user.ts'
import { expectRefusal, type Refusal } from './refusal.ts'

let template: string
beforeAll(() => {
  template = fs.mkdtempSync(path.join(os.tmpdir(), 'shoal-'))
  execFileSync('node', [bin, '--home', template, 'init'])
})
afterAll(() => {
  fs.rmSync(template, { recursive: true })
})

function madeHome(): string {
  const home = path.join(temporaryFolder(), 'home')
  fs.cpSync(template, home, { recursive: true })
  fs.chmodSync(home, 0o700)
  return home
}

async function expectNoStart(home: string, flags: readonly string[], refusal: Refusal): Promise<void> {
  expectRefusal(await shoal(home, ['daemon', '--detach', ...flags]), refusal)
}

describe('no daemon starts on a home', () => {
  const other = nobody()

  const damages: Array<[claim: string, file: string, bytes: string, refusal: Refusal]> = [
    [
      'of a newer version',
      'version',
      '2\n',
      { status: 11, says: /made by a newer Shoal \(version 2/, next: /upgrade/ }
    ],
    [
      'with a damaged version',
      'version',
      'x',
      { status: 1, says: /version is damaged/, next: /restore it from a copy/ }
    ],
    [
      'with a damaged key',
      'node-key',
      'abc\n',
      { status: 1, says: /node-key is damaged: it should hold 64 hexadecimal/, next: /restore it .* another node/ }
    ],
    [
      "with a damaged operator's key",
      'operator-key',
      'abc\n',
      { status: 1, says: /operator-key is damaged/, next: /restore it from a copy, or move it away/ }
    ],
    [
      'with a damaged overlay',
      'overlay',
      '{"form":1}',
      { status: 1, says: /overlay is damaged/, next: /restore it from a copy, or remove it and join again/ }
    ],
    ['with an overlay cut short', 'overlay', '{"form', { status: 1, says: /overlay is not JSON/, next: /mend it or/ }],
    ['with a damaged config', 'config.json', '{', { status: 1, says: /config\.json is not JSON/, next: /mend it or/ }],
    [
      'with an unknown setting',
      'config.json',
      '{"lissen":"x"}',
      { status: 1, says: /"lissen" is no setting/, next: /settings: listen, / }
    ],
    [
      'with a setting that is invalid',
      'config.json',
      '{"listen":"x"}',
      { status: 64, says: /config\.json, "listen": "x" is invalid/, next: /HOST:PORT|address to listen on/ }
    ],
    [
      'with a damaged state',
      'state.db',
      'no database, and longer than the head of one would be. '.repeat(100),
      { status: 12, says: /state\.db cannot be read/, next: /restore it from a backup, or move it away/ }
    ],
    [
      'with a damaged lock',
      'lock.db',
      'no database, and longer than the head of one would be. '.repeat(100),
      { status: 1, says: /cannot lock .*lock\.db/, next: /nothing is kept in it: remove it/ }
    ]
  ]
  it.each(damages)('%s', async (_claim, file, bytes, refusal) => {
    const home = madeHome()
    fs.writeFileSync(path.join(home, file), bytes)
    await expectNoStart(home, file === 'config.json' ? [] : ANY_PORT, refusal)
  })

  it('that is a file', async () => {
    const file = path.join(temporaryFolder(), 'file')
    fs.writeFileSync(file, '')
    for (const home of [file, path.join(file, 'home')]) {
      const refusal = { status: 1, says: /is no folder/, next: /use another home: shoal --home DIR/ } as const
      await expectNoStart(home, ANY_PORT, refusal)
      expectRefusal(await shoal(home, ['daemon']), refusal)
    }
  })

  it('that is a folder of something else', async () => {
    const folder = temporaryFolder()
    fs.writeFileSync(path.join(folder, 'thesis.txt'), '')
    const refusal = { status: 11, says: /has files in it and is no home/, next: /new or empty: shoal --home/ } as const
    await expectNoStart(folder, ANY_PORT, refusal)
  })

  it.skipIf(!isRoot)('that belongs to another user', async () => {
    const home = madeHome()
    fs.chmodSync(path.dirname(home), 0o755)
    const refusal = { status: 1, says: /home.*: permission denied/, next: /is the home yours\?/ } as const
    expectRefusal(await shoal(home, ['init'], { as: other }), refusal)
    expectRefusal(await shoal(home, ['daemon', '--detach'], { as: other }), refusal)
    expectRefusal(await shoal(home, ['ls'], { as: other }), {
      status: 1,
      says: /cannot read the home/,
      next: /is it yours/
    })
  })

  it('that nobody named, without a HOME', async () => {
    const env = { HOME: '', XDG_DATA_HOME: '', SHOAL_HOME: '' }
    const ended = await start({ args: ['ls'], env }).ended
    expectRefusal(ended, { status: 64, says: /the variable HOME is not set/, next: /shoal --home DIR/ })
  })
})

describe('two daemons', () => {
  it('on one home: the second is refused, and the first goes on', async () => {
    const home = madeHome()
    await running(home)
    await expectNoStart(home, ANY_PORT, { status: 11, says: /another daemon runs on this home/, next: /`shoal stop`/ })
    expect(await shoal(home, ['status'])).toMatchObject({ status: 0 })
  })

  it('on one home, one second after kill -9 of the first: the second starts, over the dead one’s socket', async () => {
    const home = madeHome()
    const first = await running(home)
    first.child.kill('SIGKILL')
    await first.ended
    expect(fs.lstatSync(path.join(home, 'control.sock')).isSocket()).toBe(true)
    const killed = {
      status: 6,
      says: /no daemon runs on /,
      next: /start one: shoal --home .* daemon --detach/
    } as const
    expectRefusal(await shoal(home, ['ls']), killed)
    const diedMs = performance.now()
    await running(home)
    expect(performance.now() - diedMs).toBeLessThan(20_000)
    expect(await shoal(home, ['ls'])).toMatchObject({ status: 0 })
  })
})

describe('a home', () => {
  it('whose path is too long for a Unix socket works', async () => {
    const home = path.join(temporaryFolder(), 'x'.repeat(150), 'y'.repeat(50))
    await running(home)
    expect(await shoal(home, ['ls'])).toMatchObject({ status: 0, stderr: 'nothing is shared: shoal share PATH\n' })
    expect(await shoal(home, ['stop'])).toMatchObject({ status: 0, stdout: 'stopped\n' })
  })

  it('with a file in the place of the socket: the file stays, and is named', async () => {
    const home = madeHome()
    fs.writeFileSync(path.join(home, 'control.sock'), 'precious')
    await expectNoStart(home, ANY_PORT, { status: 11, says: /control\.sock is in the way/, next: /move it away/ })
    expect(fs.readFileSync(path.join(home, 'control.sock'), 'utf8')).toBe('precious')
  })
})

describe('a port', () => {
  it('that another program has on TCP is named', async () => {
    const server = net.createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as net.AddressInfo
    await expectNoStart(madeHome(), ['--listen', `127.0.0.1:${port}`], {
      status: 11,
      says: new RegExp(`TCP port ${port} on 127.0.0.1 is in use`),
      next: /stop the program that has it, or choose another port, 0 for any free one: shoal config set listen HOST:PORT/
    })
  })

  it('that is taken is said on stderr in the foreground too, after the log', async () => {
    const server = net.createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as net.AddressInfo
    const refusal = { status: 11, says: /TCP port \d+ on 127\.0\.0\.1 is in use/, next: /choose another port/ } as const
    expectRefusal(await shoal(madeHome(), ['daemon', '--listen', `127.0.0.1:${port}`]), refusal)
  })

  it('that another program has on UDP is named', async () => {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
    onTestFinished(() => void socket.close())
    const { port } = socket.address()
    await expectNoStart(madeHome(), ['--listen', `127.0.0.1:${port}`], {
      status: 11,
      says: new RegExp(`UDP port ${port} on 127.0.0.1 is in use`),
      next: /stop the program that has it, or choose another port, 0 for any free one: shoal config set listen HOST:PORT/
    })
  })

  const addresses: Array<[claim: string, flags: string[], refusal: Refusal]> = [
    [
      'is missing',
      ['--listen', '127.0.0.1'],
      { status: 64, says: /--listen: .* a port is missing/, next: /listen is/ }
    ],
    ['is no port', ['--listen', '127.0.0.1:99999'], { status: 64, says: /a port is at most 65535/, next: /listen is/ }],
    [
      'has no address',
      ['--listen', '1.2.3:1'],
      { status: 64, says: /--listen: .* no address: 1\.2\.3/, next: /listen/ }
    ],
    [
      'to dial has no host',
      ['--advertise', 'a b'],
      { status: 64, says: /--advertise: .* no host/, next: /other nodes dial/ }
    ],
    [
      'to dial is 0',
      ['--advertise', 'a.org:0'],
      { status: 64, says: /port 0 cannot be dialled/, next: /other nodes dial/ }
    ],
    [
      'is not of this machine',
      ['--listen', '192.0.2.77:7462'],
      { status: 1, says: /cannot listen on 192\.0\.2\.77:7462/, next: /choose an address of this machine/ }
    ],
    [
      'is of a host that nobody knows',
      ['--listen', 'no-such-host.invalid:7462'],
      { status: 3, says: /no address is known for no-such-host\.invalid/, next: /check the name, or use an IP address/ }
    ]
  ]
  it.each(addresses)('%s: that is said', async (_claim, flags, refusal) => {
    await expectNoStart(madeHome(), flags, refusal)
  })

  it('of localhost by name will do', async () => {
    const home = madeHome()
    const daemon = start({
      args: ['--home', home, 'daemon', '--listen', 'localhost:0'],
      env: { SHOAL_GUARDIAN: String(process.pid) }
    })
    await daemon.said(' is ready: ')
  })
})
