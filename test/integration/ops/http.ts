/** Plain HTTP to a daemon: over its control socket, or to its port for scrapers. */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import type { Daemon } from '../cluster.ts'

export interface Page {
  status: number
  text: string
}

export function overSocket({ home }: Daemon, url: string): Promise<Page> {
  return ask({ socketPath: fs.readFileSync(path.join(home, 'socket'), 'utf8').split('\n')[0]!, path: url })
}

export function overPort(daemon: Daemon, url: string): Promise<Page> {
  const { address, token } = daemon.logged('metrics are served').at(-1) as { address: string; token: string }
  const [host = '', port = ''] = address.split(':')
  const authorization = `Bearer ${fs.readFileSync(token, 'utf8').trim()}`
  return ask({ host, port, path: url, headers: { authorization } })
}

/** The value of a series, as it is written; undefined when there is none. */
export function seriesIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find(one => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

function ask(options: http.RequestOptions): Promise<Page> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...options, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', reject)
  })
}
