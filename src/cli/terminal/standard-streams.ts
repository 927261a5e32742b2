/**
 * stdout and stderr of the command line, the only place that opens them. Every failed write is reported, with one exception: EPIPE,
 * the reader has closed the pipe (`| head`).
 *
 * Node's own stream for files ignores how many bytes a write took, so a disk that becomes full in the middle of a write truncates
 * the output without an error. FileOutput writes until all bytes are taken or the system refuses.
 */
import { closeSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import { exitStatus } from '../../wire/control/exit.ts'
import { errorText } from '../../wire/control/text.ts'

export interface StandardStreams {
  readonly stdout: Writable
  readonly stderr: Writable
  /** stdout where it is a terminal. */
  readonly terminal: NodeJS.WriteStream | undefined
}

/**
 * Opens both, once in a process. A failed write to stdout ends the process: quietly when the reader has gone, else with a line on
 * stderr and the error's status. A failed write to stderr lets the command go on, and shows in the status at the end.
 */
export function openStandardStreams(): StandardStreams {
  const stdout = opened(process.stdout, 1)
  const stderr = opened(process.stderr, 2)
  const reportStdout = (cause: Error): void => {
    const error = outputError('stdout', cause)
    stderr.write(errorText(error))
    process.exitCode = exitStatus(error.code)
  }
  const reportStderr = (cause: Error): void => {
    if ((process.exitCode ?? 0) === 0) process.exitCode = exitStatus(outputError('stderr', cause).code)
  }
  let stderrFailure: Error | undefined
  stdout.on('error', cause => {
    if (!isReaderGone(stdout, cause)) reportStdout(cause)
    process.exit()
  })
  stderr.on('error', cause => {
    if (!isReaderGone(stderr, cause)) stderrFailure ??= cause
  })
  process.on('exit', () => {
    if (stdout instanceof FileOutput) stdout.closeFile(reportStdout)
    if (stderr instanceof FileOutput) stderr.closeFile(reportStderr)
    if (stderrFailure !== undefined) reportStderr(stderrFailure)
  })
  return { stdout, stderr, terminal: process.stdout.isTTY ? process.stdout : undefined }
}

/** Pipes and terminals are sockets in Node, and report errors; the rest is files and devices. */
function opened(stream: Writable, fd: 1 | 2): Writable {
  return stream instanceof Socket ? stream : new FileOutput(fd)
}

/** Also true of a terminal that was closed: SIGHUP tells of it. */
function isReaderGone(stream: Writable, error: Error): boolean {
  const code = codeOf(error)
  return code === 'EPIPE' || (code === 'EIO' && 'isTTY' in stream && stream.isTTY === true)
}

/** A file or a device. Writes are synchronous, so nothing is lost when the process exits. */
export class FileOutput extends Writable {
  private readonly fd: number

  constructor(fd: number) {
    super({ decodeStrings: true })
    this.fd = fd
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    try {
      for (let at = 0; at < chunk.length;) at += writeSync(this.fd, chunk, at)
    } catch (error) {
      done(error as Error)
      return
    }
    done()
  }

  /** Network file systems and quotas report some failed writes only here. Nothing may be written afterwards. */
  closeFile(onError: (error: Error) => void): void {
    try {
      closeSync(this.fd)
    } catch (error) {
      onError(error as Error)
    }
  }
}

const FULL: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file may not grow further'
}

function outputError(name: 'stdout' | 'stderr', cause: Error): ShoalError {
  const full = FULL[codeOf(cause)]
  if (full === undefined) {
    return new ShoalError('permission', `cannot write to ${name}: ${cause.message}`, {
      hint: 'what was written is incomplete',
      cause
    })
  }
  return new ShoalError('disk-full', `cannot write to ${name}: ${full}`, {
    hint: 'what was written is incomplete: make room, then run the command again',
    cause
  })
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
