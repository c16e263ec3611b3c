/** Agents with the real MCP clients of both eras. Whatever happens to their gateway, they come back until they know the outcome. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { z } from 'zod'
import { connectV1 } from '../support/clients.ts'
import type { AgentName, Lane } from './lane.ts'
import type { Launched } from './launched.ts'
import { untilAsked } from './people.ts'
import type { Note } from './rules.ts'
import { callAsTask } from './tasks.ts'

export interface AgentCall {
  /** Stands in the arguments, and in those of no other call. */
  readonly marker: string
  readonly agent: AgentName
  readonly era: 'legacy' | 'modern'
  /** By which rule people are asked. */
  readonly note: Note
  /** A task, which its agent perhaps withdraws. */
  readonly task?: 'waits' | 'withdraws'
  /** Where it calls first, as far as that gateway is there. */
  readonly gateway: number
  readonly delayMs: number
  /** Comes only when the same call has been asked for. */
  readonly isRepeat?: boolean
  /** Leaves for good after so long. */
  readonly leavesAfterMs: number | null
  /** That time runs from when its call stands in the ledger, so that something is left behind however slow the machine is. */
  readonly leavesOnceAsked?: boolean
}

const answer = z.looseObject({
  content: z.array(z.looseObject({ text: z.string().optional() })).default([]),
  _meta: z.record(z.string(), z.unknown()).optional(),
})
type Answer = z.infer<typeof answer>

/** What one request of an agent came back with. */
export interface Heard {
  readonly marker: string
  readonly agent: AgentName
  readonly era: AgentCall['era']
  readonly atMs: number
  /** `null`: the upstream's own answer, without a word of ours. */
  readonly id: string | null
  readonly outcome: string | null
  readonly isOver: boolean
  readonly result: Answer
}

/** Longer than a call is held; after it an agent takes its gateway for dead. */
const ATTEMPT_MS_MAX = 5_000
const PAUSE_MS = 100

const approvalMeta = z.object({
  id: z.string().optional(),
  status: z.string(),
  outcome: z.string().nullable(),
  retry: z.string().optional(),
})

/** Calls until it knows, or has left, or `isGivenUp`. @returns whether it knows */
export async function callsUntilKnown(
  lane: Lane,
  call: AgentCall,
  heard: Heard[],
  isGivenUp: () => boolean,
): Promise<boolean> {
  let isKnown = false
  if (call.isRepeat) await untilAsked(lane, call.marker, isGivenUp)
  const left = leaving(lane, call, () => isKnown || isGivenUp())
  for (let attempt = 0; !isGivenUp() && !left.aborted; attempt++) {
    const gateways = lane.gateways()
    const gateway = gateways[(call.gateway + attempt) % Math.max(1, gateways.length)]
    const result = gateway === undefined ? null : await attemptAt(lane, gateway, call, left)
    if (result !== null && !isNotNow(result)) {
      const one = hearing(call, result)
      heard.push(one)
      isKnown = one.isOver
      if (isKnown) return true
    }
    await sleep(PAUSE_MS)
  }
  return false
}

/** Aborts when this agent leaves, if it does. */
function leaving(lane: Lane, call: AgentCall, isOver: () => boolean): AbortSignal {
  const { marker, leavesAfterMs, leavesOnceAsked = false } = call
  const left = new AbortController()
  const leave = async (afterMs: number) => {
    if (leavesOnceAsked) await untilAsked(lane, marker, isOver)
    await sleep(afterMs)
    left.abort()
  }
  if (leavesAfterMs !== null) void leave(leavesAfterMs)
  return left.signal
}

/** Nobody was asked, because the server is away or an operator has stopped it: there is no ticket, and these agents try again. */
function isNotNow({ _meta }: Answer): boolean {
  const meta = approvalMeta.safeParse(_meta?.['dev.holdpoint/approval'])
  if (!meta.success || meta.data.id !== undefined) return false
  return meta.data.retry === 'same' || meta.data.status === 'stopped'
}

function hearing({ marker, agent, era }: AgentCall, result: Answer): Heard {
  const meta = approvalMeta.safeParse(result._meta?.['dev.holdpoint/approval'])
  const ours = meta.success ? meta.data : null
  return {
    marker,
    agent,
    era,
    atMs: Date.now(),
    id: ours?.id ?? null,
    outcome: ours === null ? 'answered' : ours.outcome,
    isOver: ours === null || ours.status === 'settled',
    result,
  }
}

/** `null`: the gateway is gone, or says that it cannot now. */
async function attemptAt(
  lane: Lane,
  { url }: Launched,
  call: AgentCall,
  left: AbortSignal,
): Promise<Answer | null> {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, left])
  const given = sleep(ATTEMPT_MS_MAX, null, { signal }).catch(() => null)
  try {
    return await Promise.race([request(`${url}/mcp/pay`, lane.tokens[call.agent], call, signal), given])
  } catch {
    return null
  } finally {
    ended.abort()
  }
}

async function request(
  url: string,
  token: string,
  { marker, era, note, task, delayMs }: AgentCall,
  signal: AbortSignal,
): Promise<Answer> {
  const args = { message: marker, note, ...(delayMs === 0 ? {} : { delayMs }) }
  if (task !== undefined) {
    const end = await callAsTask(
      { url, token, signal },
      { tool: 'echo', args, cancels: task === 'withdraws' },
    )
    return answer.parse(end.kind === 'completed' ? end.result : withdrawn(end.id))
  }
  if (era === 'legacy') {
    const client = await connectV1(url, token)
    closeOn(signal, client)
    return answer.parse(await client.call('echo', args, { signal }))
  }
  const client = new Client(
    { name: 'crash', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const headers = { authorization: `Bearer ${token}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  closeOn(signal, client)
  return answer.parse(await client.callTool({ name: 'echo', arguments: args }, { signal }))
}

/** A task that was withdrawn has no result; it says so in the words of one. */
const withdrawn = (id: string | null) => ({
  content: [],
  _meta: {
    'dev.holdpoint/approval': { ...(id === null ? {} : { id }), status: 'settled', outcome: 'cancelled' },
  },
})

function closeOn(signal: AbortSignal, client: { close(): Promise<void> }): void {
  const close = () => void client.close().catch(() => {})
  if (signal.aborted) close()
  else signal.addEventListener('abort', close, { once: true })
}
