/** The grammar of the command line, and its help. What a command does is in commands/. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { KINDS } from '../wire/control/kinds.ts'
import { greatest } from '../base/numbers.ts'
import { EXIT_STATUSES, exitStatusTable, type ExitStatus } from '../wire/control/exit.ts'
import { flagName, SETTING_KEYS, SETTINGS, variableName, type SettingKey } from '../wire/control/settings.ts'
import { SEARCH_LIMIT_MAX, SEARCH_TIMEOUT_MS_MAX, WAIT_MEMBERS_MAX } from '../wire/control/methods.ts'
import { DURATION_MS_MAX } from '../wire/control/schema.ts'
import { cat, type CatOptions } from './commands/cat.ts'
import { completion } from './commands/completion.ts'
import { ls, rm } from './commands/content.ts'
import { daemon, stop } from './commands/daemon.ts'
import { doctor } from './commands/doctor.ts'
import { TOPIC_NAMES } from './docs/topics.ts'
import { get, type GetOptions } from './commands/get.ts'
import { help } from './commands/help.ts'
import { configGet, configSet, configShow, init } from './commands/home.ts'
import { invite, join, leave, members, type JoinOptions } from './commands/overlay.ts'
import { search, type SearchFlags } from './commands/search.ts'
import { service } from './commands/service.ts'
import { share, type ShareOptions } from './commands/share.ts'
import { ring, ringLookup, status } from './commands/status.ts'
import { top } from './commands/top.ts'
import type { Context } from './context.ts'
import { parseSize } from './terminal/sizes.ts'

export interface GlobalOptions {
  home?: string
  json?: boolean
  quiet?: boolean
}

/** Runs a command's work with the context that the global options ask for. */
export type Run = (globals: GlobalOptions, work: (context: Context) => Promise<void>) => Promise<void>

const EVERY_COMMAND: readonly ExitStatus[] = [0, 1, 64]
const WITH_DAEMON: readonly ExitStatus[] = [...EVERY_COMMAND, 6, 7]
const SETTING_LENGTHS = SETTING_KEYS.map(key => key.length)
const SETTING_WIDTH = greatest(0, SETTING_LENGTHS) + 2

/** `print` takes what goes to stdout without a command: help and the version. */
export function buildProgram(run: Run, version: string, print: (text: string) => void): Command {
  const program = new Command('shoal')
    .description('Peer-to-peer file sharing: every daemon is one node, and there is no server.')
    .usage('[--home DIR] [--json] [-q] COMMAND')
    .option('--home <dir>', 'the folder of the node; else SHOAL_HOME, else the XDG data folder')
    .option('--json', 'answers, events and errors as JSON on stdout, an object a line')
    .option('-q, --quiet', 'print only ids')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this; COMMAND --help says more')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: print, outputError: () => undefined })
    .showSuggestionAfterError()
    .addHelpText('after', rootHelp())

  /** A command whose action gets its arguments, its own options, and the context. */
  const add = (parent: Command, usage: string, does: string, help: Help): Command => {
    const command = parent.command(usage).description(does).addHelpText('after', commandHelp(help))
    return command.allowExcessArguments(false)
  }
  const act = (command: Command, work: (context: Context, ...args: never[]) => Promise<void>): void => {
    command.action(async (...given: unknown[]) => {
      // Commander appends the options and the command itself.
      const args = [...given.slice(0, -2), command.opts()] as never[]
      await run(command.optsWithGlobals<GlobalOptions>(), context => work(context, ...args))
    })
  }

  nodeCommands(program, { add, act })
  overlayCommands(program, { add, act })
  contentCommands(program, { add, act })
  insideCommands(program, { add, act })
  shellCommands(program, { add, act })
  return program
}

interface Help {
  examples: readonly string[]
  statuses: readonly ExitStatus[]
  /** Paragraphs before the examples. */
  more?: readonly string[]
}

interface Tools {
  add: (parent: Command, usage: string, does: string, help: Help) => Command
  act: (command: Command, work: (context: Context, ...args: never[]) => Promise<void>) => void
}

function nodeCommands(program: Command, { add, act }: Tools): void {
  const initCommand = add(program, 'init', 'make an identity, and an overlay of one; repeatable', {
    examples: ['shoal init --name cod', 'shoal --home /tmp/b init --preset local'],
    statuses: [...EVERY_COMMAND, 7, 9, 11],
    more: ['The preset sets the pace of failure detection, and is for good: local (one machine), lan, wan.']
  })
  initCommand.option('--name <name>', 'what people call this node; the host name unless told otherwise')
  initCommand.option('--preset <preset>', 'lan, local or wan; lan unless told otherwise')
  act(initCommand, (context, options: { name?: string; preset?: string }) => init(context, options))

  const daemonCommand = add(program, 'daemon', 'run the node; makes a home where there is none', {
    examples: ['shoal daemon --detach', 'shoal daemon --listen 0.0.0.0:7462 --advertise shoal.example.org'],
    statuses: [...EVERY_COMMAND, 2, 7, 9, 11],
    more: [
      'One port number serves TCP and UDP: a firewall must pass both. --listen and --advertise are kept for the next start.',
      'SIGTERM and `shoal stop` say goodbye to the others and end within 10 s; a second SIGTERM ends at once.'
    ]
  })
  for (const option of SETTING_KEYS.map(settingOption)) daemonCommand.addOption(option)
  daemonCommand.option('--detach', 'return when the node is ready, and leave it running')
  act(daemonCommand, (context, options: Record<string, unknown>) => {
    const flags = Object.fromEntries(SETTING_KEYS.map(key => [key, options[settingOption(key).attributeName()]]))
    return daemon(context, flags, options['detach'] === true)
  })

  const stopCommand = add(program, 'stop', 'end the daemon; the next start rejoins', {
    examples: ['shoal stop'],
    statuses: [...WITH_DAEMON, 2]
  })
  act(stopCommand, context => stop(context))

  const config = program.command('config').description('settings, and where each comes from')
  const configStatuses = [...EVERY_COMMAND, 3, 7] as const
  const showCommand = add(config, 'show', 'all settings', { examples: ['shoal config show'], statuses: configStatuses })
  act(showCommand, context => configShow(context))
  const getCommand = add(config, 'get <key>', 'one setting', {
    examples: ['shoal config get listen'],
    statuses: configStatuses
  })
  act(getCommand, (context, key: string) => configGet(context, key))
  const setCommand = add(config, 'set <key> [value]', 'keep a setting in the config file', {
    examples: ['shoal config set upload-slots 4', 'shoal config set listen --default'],
    statuses: [...configStatuses, 9, 11],
    more: [`Settings:\n${SETTING_KEYS.map(settingLine).join('\n')}`]
  })
  setCommand.option('--default', 'take the setting out of the file')
  act(setCommand, (context, key: string, value: string | undefined, options: { default?: boolean }) =>
    configSet(context, key, value, options)
  )
}

function overlayCommands(program: Command, { add, act }: Tools): void {
  const inviteCommand = add(program, 'invite', 'print a ticket: full membership of this overlay', {
    examples: ['shoal invite > ticket.txt'],
    statuses: WITH_DAEMON,
    more: ['Whoever has the ticket is a member: it carries the overlay key. Hand it over as you would a password.']
  })
  act(inviteCommand, context => invite(context))

  const joinCommand = add(program, 'join [ticket]', 'join the overlay of a ticket; - reads it from stdin', {
    examples: ['shoal join - --detach', 'shoal join --file ticket.txt'],
    statuses: [...WITH_DAEMON, 2, 3, 9, 10, 11],
    more: [
      'With a daemon it joins now. Without one it keeps the ticket for the next start, or starts one: --detach.',
      'An overlay in which another member was met is not replaced: `shoal leave` first.'
    ]
  })
  joinCommand.option('--file <file>', 'read the ticket from a file')
  joinCommand.option('--detach', 'start a daemon if none runs, and return when it has joined')
  joinCommand.addOption(secondsOption('--timeout <seconds>', 'give up after so long'))
  act(joinCommand, (context, ticket: string | undefined, options: JoinOptions) => join(context, ticket, options))

  const leaveCommand = add(program, 'leave', 'leave the overlay; identity, shares and files stay', {
    examples: ['shoal leave'],
    statuses: [...WITH_DAEMON, 3, 11]
  })
  act(leaveCommand, context => leave(context))

  const membersCommand = add(program, 'members', 'who is in the overlay', {
    examples: ['shoal members', 'shoal members --wait 3 --timeout 30'],
    statuses: [...WITH_DAEMON, 2]
  })
  membersCommand.addOption(
    new Option('--wait <n>', 'wait until so many are alive, this node too').argParser(
      numberFrom({ min: 1, max: WAIT_MEMBERS_MAX, whole: true })
    )
  )
  membersCommand.addOption(secondsOption('--timeout <seconds>', 'with --wait: give up after so long'))
  act(membersCommand, (context, options: { wait?: number; timeout?: number }) => members(context, options))
}

function contentCommands(program: Command, { add, act }: Tools): void {
  const shareCommand = add(program, 'share <path...>', 'share files and folders', {
    examples: ['shoal share ~/photos', 'shoal share ~/photos --invite', 'shoal share ~/draft.pdf --unlisted'],
    statuses: [...WITH_DAEMON, 3, 9, 11],
    more: [
      'Share again after changes: only what changed is read again. Symlinks are skipped and named. So are files and folders that',
      'cannot be read, or change while they are read: the rest is shared, and the status is 0. With --strict the command fails',
      'instead, and what was shared before stays as it was. When one of several paths fails, the others are shared, and the status',
      'is that of the first failure.',
      'Ctrl-C cancels the shares that are not made yet. When the terminal is lost, the daemon goes on: shoal status shows it.',
      'What is unlisted is found by nobody, and fetched by who has its ID; whoever fetches it keeps it unlisted too. It stays so',
      'when the same path is shared again, until --listed.'
    ]
  })
  shareCommand.option('--invite', 'print a ticket too')
  shareCommand.option('--unlisted', 'keep it out of searches and listings')
  shareCommand.option('--listed', 'take --unlisted back')
  shareCommand.option('--strict', 'fail when a file or folder would be left out')
  act(shareCommand, (context, paths: string[], options: ShareOptions) => share(context, paths, options))

  const lsCommand = add(program, 'ls [id]', 'my shares and downloads, or the files of one', {
    examples: ['shoal ls', 'shoal ls --all', 'shoal ls 3f1c09ab'],
    statuses: [...WITH_DAEMON, 3]
  })
  lsCommand.option('--all', 'what every live member shares')
  act(lsCommand, (context, id: string | undefined, options: { all?: boolean }) => ls(context, id, options))

  searchCommand(program, { add, act })

  const getCommand = add(
    program,
    'get <what>',
    "fetch a search's NUMBER, an ID, a NAME, a magnet link or a FILE.torrent",
    {
      examples: [
        'shoal get photos',
        'shoal get 3',
        "shoal get 3f1c09ab -o ~/Downloads --include '*.jpg'",
        'shoal get ./debian.torrent'
      ],
      statuses: [...WITH_DAEMON, 2, 3, 9, 10, 11, 12],
      more: [
        'The daemon fetches into DIR/NAME, unfinished files end in .part; this follows it. Ctrl-C and SIGTERM pause the download',
        'and exit 7, a lost terminal leaves it going; the same command goes on. What is there with the right bytes is reused.',
        'When nobody who answers has a missing file any more, this exits 3 and names the file and who had it. With',
        '--timeout it waits for somebody to offer it, and exits 2 when the time is over. The download stays in the daemon.',
        'A NUMBER is a result of the last `shoal search` of this node; of a file inside a share only that file is fetched. When a share',
        'is called by the same number the command says so and does nothing: give the ID of the one that is meant.'
      ]
    }
  )
  getCommand.option(
    '-o, --output <dir>',
    'the folder to fetch into, or to copy to when the content is here already; this one unless told otherwise'
  )
  getCommand.addOption(
    new Option('--include <glob>', 'only files whose path matches; may be given again').argParser(
      (glob: string, before: string[] | undefined) => [...(before ?? []), glob]
    )
  )
  getCommand.option('--overwrite', 'replace files that are there with other bytes, whoever made them')
  getCommand.option('--no-share', 'do not serve it to others')
  getCommand.addOption(
    secondsOption('--timeout <seconds>', 'follow it for so long at most, also while nobody has what is missing')
  )
  getCommand.option('--rename', 'change names that the file system of DIR cannot hold')
  act(getCommand, (context, what: string, options: GetOptions) => get(context, what, options))

  const catCommand = add(program, 'cat <what>', 'print the bytes of a file: ID, ID/PATH, NAME or NAME/PATH', {
    examples: [
      'shoal cat talk.mp4 | mpv -',
      'shoal cat photos/2024/sea.jpg > sea.jpg',
      'shoal cat 3f1c09ab/big.iso --range 0-1023'
    ],
    statuses: [...WITH_DAEMON, 2, 3, 9, 10, 11, 12],
    more: [
      'Also while it is being fetched: what comes next is fetched first. What this node neither holds nor fetches is fetched into its',
      'home as long as this runs, and offered to nobody; `shoal get` keeps it.'
    ]
  })
  catCommand.option(
    '--range <a-b>',
    'only these bytes, counted from 0, both ends included; A- to the end, -N the last N'
  )
  catCommand.addOption(new Option('--offset <n>', 'from this byte on').argParser(numberFrom(BYTES)))
  catCommand.addOption(new Option('--length <n>', 'at most so many bytes').argParser(numberFrom(BYTES)))
  act(catCommand, (context, what: string, options: CatOptions) => cat(context, what, options))

  const rmCommand = add(program, 'rm <id>', 'forget a share or download; files stay', {
    examples: ['shoal rm 3f1c09ab', 'shoal rm 3f1c09ab --delete-files --yes'],
    statuses: [...WITH_DAEMON, 3, 11]
  })
  rmCommand.option('--delete-files', 'delete the files too')
  rmCommand.option('--yes', 'do not ask when nobody else is known to hold it')
  act(rmCommand, (context, id: string, options: { deleteFiles?: boolean; yes?: boolean }) => rm(context, id, options))
}

function searchCommand(program: Command, { add, act }: Tools): void {
  const command = add(program, 'search <words...>', 'find shares, and files inside shares, by words', {
    examples: ['shoal search holiday beach', 'shoal search report --type pdf --min-size 10K', 'shoal get 3'],
    statuses: [...WITH_DAEMON, 3],
    more: [
      'Every word must begin a word of the name or path; case, accents and punctuation do not count. The number before a result',
      'is for `shoal get`, until the next search. Sizes: 500, 10M, 1.5GiB (1,024 bytes to the K and KiB, 1,000 to the KB).'
    ]
  })
  const size = (flags: string, help: string): Option => new Option(flags, help).argParser(sizeFrom)
  command.addOption(
    new Option('--limit <n>', 'results that are enough; 100 unless told otherwise').argParser(
      numberFrom({ min: 1, max: SEARCH_LIMIT_MAX, whole: true })
    )
  )
  command.addOption(
    secondsOption('--timeout <seconds>', 'wait at most so long; 5 unless told otherwise', SEARCH_TIMEOUT_MS_MAX)
  )
  command.option('--type <type>', `${KINDS.join(', ')}, or an extension`)
  command.addOption(size('--min-size <size>', 'only what has so many bytes or more'))
  command.addOption(size('--max-size <size>', 'only what has so many bytes or fewer'))
  command.option('--trace', 'show the way: messages, nodes reached, and who gave what')
  act(command, (context, words: string[], options: SearchFlags) => search(context, words, options))
}

function sizeFrom(text: string): number {
  const bytes = parseSize(text)
  if (bytes !== undefined) return bytes
  throw new InvalidArgumentError('It must be a size, such as 500, 10M or 1.5GiB.')
}

function insideCommands(program: Command, { add, act }: Tools): void {
  const statusCommand = add(program, 'status [id]', 'the node, its transfers, banned sources', {
    examples: ['shoal status', 'shoal --json status --follow'],
    statuses: [...WITH_DAEMON, 3],
    more: ['With --follow Ctrl-C ends it with status 0.']
  })
  statusCommand.option('--follow', 'print it again twice a second')
  act(statusCommand, (context, id: string | undefined, options: { follow?: boolean }) => status(context, id, options))

  const topCommand = add(program, 'top', 'members and transfers with their rates, live', {
    examples: ['shoal top', 'shoal --json top'],
    statuses: WITH_DAEMON,
    more: [
      'q or Ctrl-C ends it with status 0. Where stdout is no terminal it prints one frame; with --json it streams.'
    ]
  })
  act(topCommand, context => top(context))

  const doctorCommand = add(program, 'doctor', 'what keeps the node from working, and what to do', {
    examples: ['shoal doctor', 'shoal --json doctor'],
    statuses: [...EVERY_COMMAND, 6, 7],
    more: ['Works without a daemon too. Status 1 when a row says fail; rows that say warn are no failure.']
  })
  act(doctorCommand, context => doctor(context))

  const ringCommand = add(program, 'ring', "the node's place on the ring, and its tables", {
    examples: ['shoal ring', 'shoal ring lookup 3f1c09ab… --trace'],
    statuses: WITH_DAEMON
  })
  act(ringCommand, context => ring(context))
  const lookupCommand = add(ringCommand, 'lookup <key>', 'who owns a key, and the way there', {
    examples: ['shoal ring lookup photos', 'shoal ring lookup KEY --trace'],
    statuses: [...WITH_DAEMON, 2, 3]
  })
  lookupCommand.option('--trace', 'print every hop')
  act(lookupCommand, (context, key: string, options: { trace?: boolean }) => ringLookup(context, key, options))
}

function shellCommands(program: Command, { add, act }: Tools): void {
  const serviceCommand = add(
    program,
    'service <action>',
    'run the node as a service of this user: install, remove, print',
    {
      examples: [
        'shoal service install',
        'shoal service remove',
        'shoal service print --system | sudo tee /etc/systemd/system/shoal.service'
      ],
      statuses: [...EVERY_COMMAND, 3, 6, 7, 11],
      more: [
        'Under systemd. install writes a unit of the user for this home, enables and starts it; remove undoes that and leaves the',
        'home; print shows the unit, with --system a hardened one for the machine, whose home is /var/lib/shoal.'
      ]
    }
  )
  serviceCommand.option('--system', 'with print: for the whole machine')
  act(serviceCommand, (context, action: string, options: { system?: boolean }) => service(context, action, options))

  const helpCommand = add(
    program,
    'help [topic...]',
    `print a reference: ${TOPIC_NAMES.join(', ')}; or the help of a command`,
    {
      examples: ['shoal help exit-codes', 'shoal help settings', 'shoal --json help errors', 'shoal help config set'],
      statuses: EVERY_COMMAND
    }
  )
  act(helpCommand, (context, words: string[]) => help(context, program, words))

  const completionCommand = add(program, 'completion <shell>', 'print a completion script for bash, zsh or fish', {
    examples: [
      'source <(shoal completion bash)',
      'shoal completion zsh > ~/.zfunc/_shoal',
      'shoal completion fish > ~/.config/fish/completions/shoal.fish'
    ],
    statuses: EVERY_COMMAND,
    more: ['~/.zfunc stands for any folder of fpath.']
  })
  act(completionCommand, (context, shell: string) => completion(context, program, shell))
}

function settingOption(key: SettingKey): Option {
  const { placeholder, help } = SETTINGS[key]
  return new Option(`${flagName(key)} <${placeholder}>`, help)
}

function settingLine(key: SettingKey): string {
  const { help, fallback } = SETTINGS[key]
  const normally = fallback === undefined ? 'the host name' : fallback === '' ? 'empty' : fallback
  return `  ${key.padEnd(SETTING_WIDTH)}${help} (${variableName(key)}; default: ${normally})`
}

/** `msMax`: what the daemon takes. */
function secondsOption(flags: string, help: string, msMax = DURATION_MS_MAX): Option {
  return new Option(flags, help).argParser(numberFrom({ min: 0, max: Math.floor(msMax / 1_000), whole: false }))
}

/** A count of bytes: more than any disk has, and still exact. */
const BYTES = { min: 0, max: 10 ** 15 - 1, whole: true } as const

function numberFrom({ min, max, whole }: { min: number; max: number; whole: boolean }) {
  return (text: string): number => {
    const number = /^[0-9]{1,15}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : NaN
    if (number >= min && number <= max && (!whole || Number.isInteger(number))) return number
    throw new InvalidArgumentError(`It must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`)
  }
}

function rootHelp(): string {
  return `
Two machines, four commands:
  a$ shoal daemon --detach
  a$ shoal share DIR --invite
  b$ shoal join - --detach        (paste the ticket)
  b$ shoal get NAME

Answers go to stdout, progress and notes to stderr.

Environment:
  SHOAL_HOME     the home, where --home is not given
  SHOAL_…        settings: shoal help settings
  NO_COLOR       no colours
  SHOAL_DEBUG=1  where a fault of Shoal happened

Exit status:
${exitStatusTable()}`
}

function commandHelp({ examples, statuses, more = [] }: Help): string {
  const paragraphs = more.length === 0 ? '' : `\n${more.join('\n')}\n`
  const lines = [...new Set(statuses)]
    .sort((a, b) => a - b)
    .map(one => `  ${String(one).padStart(2)}  ${EXIT_STATUSES[one]}`)
  return `${paragraphs}\nExamples:\n${examples.map(one => `  ${one}\n`).join('')}\nExit status:\n${lines.join('\n')}`
}
