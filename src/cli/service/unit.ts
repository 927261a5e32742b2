/**
 * Units for systemd. `Type=exec`: Node speaks no datagrams over Unix sockets, so a daemon cannot say READY itself, and the helper
 * systemd-notify is another process, for which the unit would have to listen to everybody in it. `shoal daemon` is replaced
 * by the daemon, so the process that systemd started is the daemon.
 */

/** In every file that is ours: one without it is never touched. */
export const UNIT_MARK = '# Made by: shoal service'

export interface Unit {
  /** Words of the command, absolute where they are paths. */
  command: readonly string[]
  home: string
}

/** What a daemon of one user needs: files of that user may be shared and fetched anywhere. */
const USER_HARDENING = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM'
]

/** A daemon of the machine sees of it what is world-readable, and writes its own folder only. */
const SYSTEM_HARDENING = [
  ...USER_HARDENING,
  'DynamicUser=yes',
  'StateDirectory=shoal',
  'StateDirectoryMode=0700',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  'RemoveIPC=yes',
  'UMask=0027'
]

export function userUnit(unit: Unit): string {
  return unitText(unit, { network: false, hardening: USER_HARDENING, wantedBy: 'default.target' })
}

/** For /etc/systemd/system; its home is /var/lib/shoal. */
export function systemUnit(unit: Unit): string {
  return unitText(unit, { network: true, hardening: SYSTEM_HARDENING, wantedBy: 'multi-user.target' })
}

interface Kind {
  network: boolean
  hardening: readonly string[]
  wantedBy: string
}

function unitText({ command, home }: Unit, { network, hardening, wantedBy }: Kind): string {
  return [
    UNIT_MARK,
    '[Unit]',
    `Description=Shoal, a peer-to-peer file-sharing node (${escaped(home).replaceAll('%', '%%')})`,
    // A user's units know no targets of the system.
    ...(network ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    'StartLimitIntervalSec=300',
    'StartLimitBurst=10',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${commandLine(command)}`,
    'Restart=on-failure',
    'RestartSec=5',
    '# Wrong words, another daemon on the home, no admission: the next start would end the same way.',
    'RestartPreventExitStatus=64 10 11',
    '# It says goodbye, and ends within 10 s.',
    'TimeoutStopSec=15',
    'LimitNOFILE=65536',
    ...hardening,
    '# No MemoryDenyWriteExecute: the JavaScript engine writes code.',
    '',
    '[Install]',
    `WantedBy=${wantedBy}`,
    ''
  ].join('\n')
}

/** A program's own path may hold no quotes, and in it a $ is one: `env` starts what has such a name, in its own place. */
function commandLine(command: readonly string[]): string {
  const [program = ''] = command
  const words = /["'\\$\p{Cc}]/u.test(program) ? ['/usr/bin/env', ...command] : command
  return words.map(quotedWord).join(' ')
}

/** systemd.service(5), command lines: quotes as in C, and % and $ doubled so that they mean themselves. */
export function quotedWord(word: string): string {
  return `"${escaped(word).replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

function escaped(text: string): string {
  // eslint-disable-next-line no-control-regex -- a path may hold any byte but NUL
  return text.replace(/[\u0000-\u001f\u007f"\\]/g, letter => {
    if (letter === '"' || letter === '\\') return `\\${letter}`
    return `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
