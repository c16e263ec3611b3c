/** Agents of 2026-07-28 whose calls are tasks: created, polled and withdrawn at whatever gateway answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

/** How a task was answered: what the call itself would have been, or that its agent has withdrawn it. */
export type TaskEnd =
  | { readonly kind: 'completed'; readonly result: unknown }
  | { readonly kind: 'cancelled'; readonly id: string | null }

const rpc = z.object({ result: z.unknown() })
const task = z.looseObject({ taskId: z.string(), status: z.string(), statusMessage: z.string().optional() })
const completed = z.looseObject({ result: z.unknown() })

const POLL_MS = 200
const _meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
}

/** Resolves with its end, or rejects when the gateway is gone. The same call again is the same task. */
export async function callAsTask(
  gateway: { readonly url: string; readonly token: string; readonly signal: AbortSignal },
  call: { readonly tool: string; readonly args: object; readonly cancels: boolean },
): Promise<TaskEnd> {
  const { url, token, signal } = gateway
  const { tool, args, cancels } = call
  const answer = await post('tools/call', tool, { name: tool, arguments: args })
  const made = task.safeParse(answer)
  // Nobody was asked: it says why, as an answer to the call.
  if (!made.success) return { kind: 'completed', result: answer }
  const { taskId } = made.data
  let now = made.data
  for (;;) {
    if (now.status === 'cancelled') {
      return { kind: 'cancelled', id: /HP-\w{10}/.exec(now.statusMessage ?? '')?.[0] ?? null }
    }
    if (now.status !== 'working') {
      const end = completed.safeParse(await post('tasks/get', taskId, { taskId }))
      return { kind: 'completed', result: end.success ? end.data.result : null }
    }
    if (cancels) await post('tasks/cancel', taskId, { taskId })
    else await sleep(POLL_MS, null, { signal })
    now = task.parse(await post('tasks/get', taskId, { taskId }))
  }

  async function post(method: string, name: string, params: object): Promise<unknown> {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        'mcp-name': name,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta, ...params } }),
      signal,
    })
    const text = await response.text()
    const data = text.split('\n').findLast((line) => line.startsWith('data: '))
    return rpc.parse(JSON.parse(data === undefined ? text : data.slice('data: '.length))).result
  }
}
