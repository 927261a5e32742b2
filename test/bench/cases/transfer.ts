/** A file or folder from one side to the other, by shoal and by others in turn: A B C A B C. */
import { digest, makeFile, makeFolder, mebibytes } from '../contents.ts'
import { measure, type Contender, type Run } from '../contender.ts'
import { figure, ratio, reported } from '../figures.ts'
import { aria2 } from '../peers/aria2.ts'
import { libtorrent } from '../peers/libtorrent.ts'
import { shoal } from '../peers/shoal.ts'
import { rsync, scp, sshServer } from '../peers/ssh.ts'
import type { Workshop } from '../workshop.ts'
import type { Answer, Case, Options } from './case.ts'

const LIMIT_MS = 180_000
const SMALL_BYTES = 4 << 10

export const large: Case = {
  name: 'large',
  async run(workshop, options) {
    const source = workshop.path('large.bin')
    makeFile(source, options.mib * 2 ** 20)
    const ssh = sshServer(workshop)
    const contenders = [shoal(workshop), scp(ssh), rsync(ssh), libtorrent(workshop), aria2(workshop)]
    return compare(workshop, `one file of ${options.mib} MiB, one to one`, { source, contenders, options })
  }
}

export const small: Case = {
  name: 'small',
  async run(workshop, options) {
    const source = workshop.folder('small')
    makeFolder(source, { files: options.files, bytes: SMALL_BYTES })
    const ssh = sshServer(workshop)
    const contenders = [shoal(workshop), rsync(ssh), scp(ssh)]
    return compare(workshop, `${options.files} files of 4 KiB, one to one`, { source, contenders, options })
  }
}

interface Result {
  contender: Contender
  runs: Run[]
}

async function compare(
  workshop: Workshop,
  title: string,
  { source, contenders, options }: { source: string; contenders: Contender[]; options: Options }
): Promise<Answer> {
  const sha256 = digest(source)
  const results: Result[] = contenders
    .filter(({ missing }) => missing === undefined)
    .map(contender => ({ contender, runs: [] }))
  for (let run = 1; run <= options.runs; run++) {
    for (const { contender, runs } of results) {
      options.note(`${title}: ${contender.name}, run ${run} of ${options.runs}`)
      runs.push(await measure(workshop, contender, { source, sha256, limitMs: LIMIT_MS }))
    }
  }
  const [own] = results as [Result]
  const absent = contenders.filter(({ missing }) => missing !== undefined)
  return {
    title,
    head: [
      '',
      'seconds',
      'shoal / it',
      'hashing s',
      'CPU s giving',
      'CPU s taking',
      'peak MiB giving',
      'peak MiB taking'
    ],
    rows: results.map(result => row(result, own)),
    notes: [
      'seconds: from the command to its end; hashing (making it ready to be fetched) is apart.',
      'What arrived was equal by SHA-256 each time. Peak memory is VmHWM: a program that maps the file counts it.',
      ...absent.map(({ name, missing }) => `${name}: not here (not installed: ${missing}).`)
    ],
    data: results.map(({ contender, runs }) => ({ name: contender.name, runs }))
  }
}

function row({ contender, runs }: Result, own: Result): string[] {
  const seconds = (result: Result): number[] => result.runs.map(run => run.seconds)
  const ready = runs.flatMap(({ readySeconds }) => readySeconds ?? [])
  const cpu = (side: 'giving' | 'taking'): string => reported(figure(runs.map(run => run[side].cpuSeconds)), 1)
  const peak = (side: 'giving' | 'taking'): string => mebibytes(Math.max(...runs.map(run => run[side].peakBytes)))
  return [
    ...[contender.name, reported(figure(seconds({ contender, runs })))],
    ...[contender === own.contender ? '' : ratio(seconds(own), seconds({ contender, runs })).toFixed(2)],
    ...[ready.length === 0 ? '' : reported(figure(ready)), cpu('giving'), cpu('taking'), peak('giving'), peak('taking')]
  ]
}
