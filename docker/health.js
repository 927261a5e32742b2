/**
 * Ends with 0 when the daemon of this container is ready, and with 1 when it is not: what HEALTHCHECK runs. It asks over the
 * control socket and loads nothing of Shoal, for it is started every few seconds.
 */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'

const socketPath = fs.readFileSync(path.join(process.env.SHOAL_HOME, 'socket'), 'utf8').trim()
const headers = { host: 'shoal', 'content-type': 'application/json' }

const request = http.request({ socketPath, method: 'POST', path: '/v1/hello', headers }, response => {
  process.exitCode = response.statusCode === 200 ? 0 : 1
  response.resume()
})
request.on('error', error => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
request.end('{}')
