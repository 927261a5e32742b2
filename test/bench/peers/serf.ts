/** Agents of serf on loopback; each says itself whom it holds for dead. */
import type { Group } from '../cases/death.ts'
import { freePort, type Running, type Workshop } from '../workshop.ts'

interface Agent {
  name: string
  running: Running
}

export async function startSerfs(
  workshop: Workshop,
  count: number,
  limitMs: number
): Promise<Group & { stop(): Promise<void> }> {
  const first = await freePort()
  const agents: Agent[] = []
  for (let i = 1; i <= count; i++) {
    const [bind, rpc] = [i === 1 ? first : await freePort(), await freePort()]
    const join = i === 1 ? [] : [`-join=127.0.0.1:${first}`]
    const where = [`-bind=127.0.0.1:${bind}`, `-rpc-addr=127.0.0.1:${rpc}`]
    const running = workshop.start(['serf', 'agent', `-node=n${i}`, '-profile=lan', ...where, ...join])
    await running.says(new RegExp(`EventMemberJoin: n${i} `), limitMs)
    agents.push({ name: `n${i}`, running })
  }
  for (const { running } of agents)
    for (const { name } of agents) await running.says(new RegExp(`EventMemberJoin: ${name} `), limitMs)
  const gone = new Set<Agent>()
  return {
    async kill(index) {
      const victim = agents[index]
      if (victim === undefined) throw new Error(`no agent ${index}`)
      gone.add(victim)
      const startMs = performance.now()
      const knows = async ({ running }: Agent): Promise<number> => {
        await running.says(new RegExp(`EventMemberFailed: ${victim.name} `), limitMs)
        return (performance.now() - startMs) / 1_000
      }
      const all = Promise.all(agents.filter(agent => !gone.has(agent)).map(knows))
      await victim.running.kill('SIGKILL')
      return all
    },
    stop: async () => {
      await Promise.all(agents.map(({ running }) => running.kill('SIGKILL')))
    }
  }
}
