/** Agents of 2025-11-25 whose stream breaks with its gateway: they resume it by `Last-Event-ID`, at whatever gateway is there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { z } from 'zod'

const REVISION = '2025-11-25'
const CALL_ID = 7
const AGAIN_MS = 100
/** A gateway that took this one's place may not know yet that it is gone. */
const RESUMES_MAX = 30

export interface Resuming {
  /** Where it calls. */
  readonly url: string
  /** Where it may go on: of those that are there now, another one each time. */
  elsewhere(attempt: number): string | null
  readonly token: string
  readonly signal: AbortSignal
}

const answered = z.object({ id: z.literal(CALL_ID), result: z.unknown() })
const failed = z.object({ id: z.literal(CALL_ID), error: z.object({ message: z.string() }) })

/** @returns the result; rejects with the words of a refusal, or when there is nothing to resume */
export async function callAndResume(
  { url, elsewhere, token, signal }: Resuming,
  call: { readonly tool: string; readonly args: object },
): Promise<unknown> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const clientInfo = { name: 'crash', version: '1.0.0' }
  const opened = await post(headers, 'initialize', {
    id: 1,
    params: { protocolVersion: REVISION, capabilities: {}, clientInfo },
  })
  await opened.text()
  const session = opened.headers.get('mcp-session-id')
  if (!opened.ok || session === null) throw new Error(`no session: HTTP ${opened.status}`)
  const own = { ...headers, 'mcp-session-id': session, 'mcp-protocol-version': REVISION }
  await (await post(own, 'notifications/initialized', {})).text()
  const params = { name: call.tool, arguments: call.args }
  let stream = await post(own, 'tools/call', { id: CALL_ID, params })
  let lastEventId: string | null = null
  for (let resumes = 0; ; resumes++) {
    const end = await readUntilAnswer(stream)
    if ('result' in end) return end.result
    lastEventId = end.lastEventId ?? lastEventId
    if (lastEventId === null || resumes >= RESUMES_MAX)
      throw new Error('the stream broke and cannot be resumed')
    await sleep(AGAIN_MS, null, { signal })
    const next = await resumedAt(elsewhere(resumes), { ...own, 'last-event-id': lastEventId })
    if (next !== null) stream = next
  }

  function post(sent: Record<string, string>, method: string, more: object): Promise<Response> {
    const body = JSON.stringify({ jsonrpc: '2.0', method, ...more })
    return fetch(url, { method: 'POST', headers: sent, body, signal })
  }

  /** `null`: nobody is there. */
  async function resumedAt(at: string | null, sent: Record<string, string>): Promise<Response | null> {
    if (at === null) return null
    const asking = { ...sent, accept: 'text/event-stream' }
    try {
      return await fetch(at, { headers: asking, signal })
    } catch (error) {
      if (signal.aborted) throw error
      return null
    }
  }
}

type End = { readonly result: unknown } | { readonly lastEventId: string | null }

/** Reads a stream until it holds the answer, or breaks. A refusal is thrown in its own words. */
async function readUntilAnswer(response: Response): Promise<End> {
  if (response.bodyUsed || response.body === null) return { lastEventId: null }
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    const text = await response.text()
    const answer = response.ok ? answered.safeParse(JSON.parse(text)) : null
    if (answer?.success) return { result: answer.data.result }
    throw new Error(text)
  }
  let lastEventId: string | null = null
  try {
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())
    for await (const { id, data } of events) {
      lastEventId = id ?? lastEventId
      const message: unknown = data === '' ? null : JSON.parse(data)
      const answer = answered.safeParse(message)
      if (answer.success) return { result: answer.data.result }
      const failure = failed.safeParse(message)
      if (failure.success) throw new Refused(failure.data.error.message)
    }
  } catch (error) {
    if (error instanceof Refused) throw error
  }
  return { lastEventId }
}

class Refused extends Error {}
