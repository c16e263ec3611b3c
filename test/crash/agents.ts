/** Agents with the real MCP clients of both eras. Whatever happens to their gateway, they come back until they know the outcome. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { z } from 'zod'
import { connectV1 } from '../support/clients.ts'
import type { AgentName, Lane } from './lane.ts'
import type { Launched } from './launched.ts'
import { untilAsked, untilOver } from './people.ts'
import { callAndResume, type Resuming } from './resuming.ts'
import type { Note } from './rules.ts'
import { callAsTask } from './tasks.ts'

export interface AgentCall {
  /** Stands in the arguments, and in those of no other call. */
  readonly marker: string
  readonly agent: AgentName
  readonly era: 'legacy' | 'modern'
  /** By which rule people are asked. */
  readonly note: Note
  /** How it goes on when it is told to come back, or when its stream breaks. */
  readonly comesBackBy?: 'ticket' | 'stream'
  /** A task, which its agent perhaps withdraws. */
  readonly task?: 'waits' | 'withdraws'
  /** Where it calls first, as far as that gateway is there. */
  readonly gateway: number
  readonly delayMs: number
  /** Comes only when the same call has been asked for, or when the server has received it. */
  readonly comesOnce?: 'asked' | 'sent'
  /** Comes only when everything that was asked with this marker is over. */
  readonly comesAfter?: string
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
  /** When it asked, by the clock that the upstream double's log has too. */
  readonly sinceMs: number
  readonly atMs: number
  /**
   * Nobody was asked by this request: what it was told instead, as an answer to the call or as an error. Also the words of a
   * client whose gateway is gone, which say nothing.
   */
  readonly refusal: string | null
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
  successor: z.string().optional(),
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
  let ticket: string | null = null
  if (call.comesAfter !== undefined) await untilOver(lane, call.comesAfter, isGivenUp)
  if (call.comesOnce === 'asked') await untilAsked(lane, call.marker, isGivenUp)
  if (call.comesOnce === 'sent') await untilSent(lane, call.marker, isGivenUp)
  const left = leaving(lane, call, () => isKnown || isGivenUp())
  for (let attempt = 0; !isGivenUp() && !left.aborted; attempt++) {
    const gateways = lane.gateways()
    const gateway = gateways[(call.gateway + attempt) % Math.max(1, gateways.length)]
    const sinceMs = Date.now()
    const result = gateway === undefined ? null : await attemptAt(lane, gateway, call, ticket, left)
    if (typeof result === 'string') heard.push(refused(call, sinceMs, result))
    else if (result !== null && isNotNow(result)) heard.push(refused(call, sinceMs, textOf(result)))
    else if (result !== null) {
      const one = hearing(call, sinceMs, result)
      heard.push(one)
      isKnown = one.isOver
      ticket = one.id
      if (isKnown) return true
    }
    await sleep(PAUSE_MS)
  }
  return false
}

/** The server has the call, and is at work on it where it takes its time. */
export async function untilSent(lane: Lane, marker: string, isOver: () => boolean): Promise<void> {
  const isSent = () => lane.upstream.requests.some(({ tool, body }) => tool !== null && body.includes(marker))
  while (!isOver() && !isSent()) await sleep(PAUSE_MS)
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

export const textOf = ({ content }: Answer): string => content.map(({ text }) => text ?? '').join('')

const refused = ({ marker, agent, era }: AgentCall, sinceMs: number, refusal: string): Heard => ({
  ...{ marker, agent, era, sinceMs, atMs: Date.now(), refusal },
  ...{ id: null, outcome: null, isOver: false, result: { content: [] } },
})

function hearing({ marker, agent, era }: AgentCall, sinceMs: number, result: Answer): Heard {
  const meta = approvalMeta.safeParse(result._meta?.['dev.holdpoint/approval'])
  const ours = meta.success ? meta.data : null
  return {
    marker,
    agent,
    era,
    sinceMs,
    atMs: Date.now(),
    refusal: null,
    id: ours?.id ?? null,
    outcome: ours === null ? 'answered' : ours.outcome,
    // People are asked again about the same call, under another ticket.
    isOver: ours === null || (ours.status === 'settled' && ours.successor === undefined),
    result,
  }
}

/** `null`: it left, or took its gateway for dead. A text: there was an error instead of an answer, of the gateway or of the way to it. */
async function attemptAt(
  lane: Lane,
  { url }: Launched,
  call: AgentCall,
  ticket: string | null,
  left: AbortSignal,
): Promise<Answer | string | null> {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, left])
  const given = sleep(ATTEMPT_MS_MAX, null, { signal }).catch(() => null)
  try {
    const elsewhere = (attempt: number) => {
      const gateways = lane.gateways()
      const at = gateways[(call.gateway + 1 + attempt) % Math.max(1, gateways.length)]
      return at === undefined ? null : `${at.url}/mcp/pay`
    }
    const to = { url: `${url}/mcp/pay`, token: lane.tokens[call.agent], signal, elsewhere }
    return await Promise.race([request(to, call, ticket), given])
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    ended.abort()
  }
}

/** @param ticket of this call, where it has heard of one */
async function request(
  to: Resuming,
  { marker, era, note, task, delayMs, comesBackBy }: AgentCall,
  ticket: string | null,
): Promise<Answer> {
  const { url, token, signal } = to
  const again = comesBackBy === 'ticket' && ticket !== null
  const tool = again ? 'holdpoint_wait' : 'echo'
  const args = again ? { ticket } : { message: marker, note, ...(delayMs === 0 ? {} : { delayMs }) }
  if (era === 'legacy' && comesBackBy === 'stream')
    return answer.parse(await callAndResume(to, { tool, args }))
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
    return answer.parse(await client.call(tool, args, { signal }))
  }
  const client = new Client(
    { name: 'crash', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const headers = { authorization: `Bearer ${token}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  closeOn(signal, client)
  return answer.parse(await client.callTool({ name: tool, arguments: args }, { signal }))
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
