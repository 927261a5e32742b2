/**
 * Ends with 0 when the daemon of this container is ready, and with 1 when it is not: what HEALTHCHECK runs. It asks over the
 * control socket what /readyz says, and loads nothing of Shoal, for it is started every few seconds.
 */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'

const [socketPath] = fs.readFileSync(path.join(process.env.SHOAL_HOME, 'socket'), 'utf8').split('\n')

const request = http.get({ socketPath, path: '/readyz', headers: { host: 'shoal' } }, response => {
  process.exitCode = response.statusCode === 200 ? 0 : 1
  response.pipe(process.stdout)
})
request.on('error', error => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
