/** Who reads contents in tests: programs that know HTTP, and `shoal cat`. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import type { Daemon } from './cluster.ts'

const BIN = path.resolve(import.meta.dirname, '../../bin/shoal.js')
const READ_MS_MAX = 120_000

export interface Got {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
  /** From the request to the first byte of the body, or to its end when it is empty. */
  firstByteMs: number
}

/** `url` is absolute; the path goes out as it stands. */
export function read(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
  const [, host = '', port = '', target = ''] = /^http:\/\/([^/:]+|\[[^\]]+\]):([0-9]+)(\/.*)$/s.exec(url) ?? []
  const startMs = performance.now()
  return new Promise((resolve, reject) => {
    const to = { host: host.replace(/^\[|\]$/g, ''), port, path: target, method, headers, agent: false }
    const request = http.request({ ...to, signal: AbortSignal.timeout(READ_MS_MAX) }, response => {
      const chunks: Buffer[] = []
      let firstByteMs: number | undefined
      response.on('data', (chunk: Buffer) => {
        firstByteMs ??= performance.now() - startMs
        chunks.push(chunk)
      })
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode: status = 0 } = response
        const endMs = performance.now() - startMs
        resolve({ status, headers: response.headers, body: Buffer.concat(chunks), firstByteMs: firstByteMs ?? endMs })
      })
    })
    request.once('error', reject)
    request.end()
  })
}

/** The daemon is started anew with a gateway: the URL below which contents are. */
export async function withGateway(daemon: Daemon): Promise<string> {
  await daemon.stop()
  await daemon.run(['config', 'set', 'gateway', '127.0.0.1:0'])
  await daemon.start()
  const { gateway } = await daemon.ask('status', {})
  if (gateway === undefined) throw new Error('there is no gateway')
  return gateway
}

export interface Printed {
  code: number | NodeJS.Signals | null
  stdout: Buffer
  stderr: string
}

/** `shoal cat` as a person types it, without --json. */
export function cat(daemon: Daemon, args: readonly string[]): { child: ChildProcess; printed: Promise<Printed> } {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SHOAL_')))
  const child = spawn('node', [BIN, '--home', daemon.home, 'cat', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const printed = new Promise<Printed>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: code ?? signal, stdout: Buffer.concat(chunks), stderr }))
  })
  return { child, printed }
}

export function bytesOf(file: string, start: number, end: number): Buffer {
  const buffer = Buffer.alloc(end - start)
  const handle = fs.openSync(file, 'r')
  fs.readSync(handle, buffer, 0, buffer.length, start)
  fs.closeSync(handle)
  return buffer
}
