/** A person who says yes to everything that waits, except to what the suite is about to cancel. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { StartedGateway } from './processes.ts'

const LOOK_MS = 100
/** Calls that work longer are there to be cancelled before anybody decides. */
const UNDECIDED_FROM_SECONDS = 5

const page = z.object({ approvals: z.array(z.object({ id: z.string() })) })
const secondsOf = (text: string) => Number(/"seconds":\s*(\d+)/.exec(text)?.[1] ?? 0)

export function startDeciding({ url, personToken }: StartedGateway) {
  const headers = { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' }
  const stopping = new AbortController()

  async function decide(id: string) {
    const shown = await (await fetch(`${url}/api/v1/approvals/${id}`, { headers })).text()
    if (secondsOf(shown.replaceAll('\\"', '"')) >= UNDECIDED_FROM_SECONDS) return
    const { approval } = z.object({ approval: z.object({ digest: z.string() }) }).parse(JSON.parse(shown))
    const body = JSON.stringify({ decision: 'approve', digest: approval.digest })
    await fetch(`${url}/api/v1/approvals/${id}/decision`, { method: 'POST', headers, body })
  }

  async function run() {
    while (!stopping.signal.aborted) {
      const waiting = await fetch(`${url}/api/v1/approvals?status=pending`, { headers })
      // A gateway that has just started may not know the newest token yet.
      const { approvals } = waiting.ok ? page.parse(await waiting.json()) : { approvals: [] }
      for (const { id } of approvals) await decide(id)
      await sleep(LOOK_MS)
    }
  }

  const running = run()
  return async function stop() {
    stopping.abort()
    await running
  }
}
