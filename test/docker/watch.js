/**
 * Runs inside a container, given to node as a text: prints what its daemon sees, a line of JSON whenever that changes. So a
 * test knows within a fifth of a second what all nodes see, without a command for every look.
 */
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_MS = 200
const socketPath = `${process.env.SHOAL_HOME}/control.sock`

let before = ''
for (;;) {
  const line = await look().catch(() => '{}')
  if (line !== before) process.stdout.write(`${line}\n`)
  before = line
  await sleep(LOOK_MS)
}

async function look() {
  const { members } = JSON.parse(await ask('members'))
  const { key, predecessor, successors } = JSON.parse(await ask('ring'))
  return JSON.stringify({ members, ring: { key, predecessor: predecessor?.id, successor: successors[0]?.id } })
}

function ask(method) {
  const headers = { host: 'shoal', 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method: 'POST', path: `/v1/${method}`, headers }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end('{}')
  })
}
