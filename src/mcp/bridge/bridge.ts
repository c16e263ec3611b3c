/**
 * MCP over stdio on one side, Streamable HTTP to the gateway on the other, for clients that only start commands. Messages
 * pass as raw text. Every request gets one answer: a connection that breaks while people decide is taken up again, because a
 * repeat attaches to the same call; one that breaks otherwise is told, because nobody knows what it has done.
 */
import { randomInt } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { Log } from '../../ports/log.ts'
import { rawMember } from '../raw-json.ts'
import { createLineSplitter } from '../upstream/lines.ts'
import { idKey, type Peek, parseJson, peek } from '../upstream/peek.ts'
import { workSignal } from '../work-signal.ts'
import { type BridgeResponse, createBridgeHttp, NotSent } from './http.ts'
import { createLegacySession, messageHeaders } from './legacy-session.ts'
import { createTerms } from './terms.ts'

export interface BridgeOptions {
  /** `…/mcp/<server>` */
  readonly url: string
  /** The agent's; `null`: the gateway on this machine knows its own. */
  readonly token: string | null
  readonly input: Readable
  readonly output: Writable
  readonly log: Log
}

/** What the MCP SDKs take as a line, several times. */
const LINE_BYTES_MAX = 64 * 1024 * 1024
/** A gateway that restarts is back within seconds; one that is away longer is told to the client, whose user can do something. */
const AWAY_MS = 30_000
/** While people decide there is nothing better to do than to come back. */
const HELD_AWAY_MS = 60 * 60_000
const AGAIN_MS = 250
const AGAIN_MS_MAX = 5_000
const INTERNAL_ERROR = -32_603

type RequestPeek = Extract<Peek, { kind: 'request' }>

interface InFlight {
  readonly leaving: AbortController
  /** Resolves when the gateway has the request, or there is no request any more. */
  readonly arrived: Promise<void>
  readonly isModern: boolean
}

/** Resolves when the client has closed its end and nothing is left behind. */
export async function runBridge({ url, token, input, output, log }: BridgeOptions): Promise<void> {
  const http = createBridgeHttp(url)
  const stop = new AbortController()
  const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const terms = createTerms()
  const inFlight = new Map<string, InFlight>()
  const legacy = createLegacySession({
    ...{ http, authorization, sleep, log, stopping: stop.signal },
    onMessage: write,
  })
  let reading = Promise.resolve()

  /** Line breaks in JSON stand between tokens, where a blank means the same; here they would end the message. */
  function write(message: string) {
    if (!stop.signal.aborted) output.write(`${message.replace(/[\r\n]+/g, ' ')}\n`)
  }

  const refuse = (line: string, error: string) =>
    write(`{"jsonrpc":"2.0","id":${rawMember(line, 'id') ?? 'null'},"error":${error}}`)
  const fail = (line: string, message: string) =>
    refuse(line, JSON.stringify({ code: INTERNAL_ERROR, message }))

  /** One after the other: what a client says is heard in the order in which it says it. */
  async function take(line: string): Promise<void> {
    if (line.trim() === '') return
    const message = peek(line)
    switch (message.kind) {
      case 'request': {
        // Nothing else may be said before the handshake is over.
        if (message.method === 'initialize') await request(line, message)
        else void request(line, message)
        return
      }
      case 'notification':
        if (message.cancels !== null && (await cancelledHere(idKey(message.cancels)))) return
        await tell(line, terms.modernHeaders(line, message.method))
        if (message.method === 'notifications/initialized') legacy.ready(line)
        return
      case 'response':
        return tell(line, null)
      case 'batch':
      case 'invalid': {
        const isJson = parseJson(line) !== undefined
        const error = isJson
          ? { code: -32_600, message: 'Invalid request: one JSON-RPC message in each line is expected' }
          : { code: -32_700, message: 'Parse error' }
        return write(JSON.stringify({ jsonrpc: '2.0', id: null, error }))
      }
    }
  }

  /** Over HTTP a modern request is cancelled by leaving it; a legacy one by saying so, once it has arrived. */
  async function cancelledHere(key: string): Promise<boolean> {
    const cancelled = inFlight.get(key)
    if (cancelled === undefined) return false
    if (!cancelled.isModern) await cancelled.arrived
    // Nobody waits for its answer any more; the gateway is told below, before this can be seen there.
    if (cancelled.isModern) cancelled.leaving.abort()
    else setTimeout(() => cancelled.leaving.abort(), AWAY_MS).unref()
    return cancelled.isModern
  }

  async function tell(line: string, modern: Record<string, string> | null): Promise<void> {
    const untilMs = performance.now() + AWAY_MS
    for (let pauseMs = AGAIN_MS; !stop.signal.aborted; pauseMs = longer(pauseMs)) {
      try {
        const response = await post(line, modern ?? legacy.headers(), stop.signal)
        const text = await response.text()
        if (response.status === 404 && modern === null && (await legacy.renew())) continue
        if (response.status >= 400)
          log.warn({ status: response.status, text }, 'the gateway did not take a message')
        return
      } catch (error) {
        if (!(error instanceof NotSent) || performance.now() > untilMs) {
          log.warn({ err: error }, 'a message could not be brought to the gateway')
          return
        }
        await sleep(pauseMs, stop.signal)
      }
    }
  }

  const post = (body: string, more: Record<string, string>, signal: AbortSignal) =>
    http.send({ method: 'POST', headers: { ...messageHeaders, ...authorization, ...more }, body, signal })

  async function request(line: string, { id, method }: RequestPeek): Promise<void> {
    const modern = terms.modernHeaders(line, method)
    const leaving = new AbortController()
    const work = workSignal([leaving.signal, stop.signal], null)
    const { signal } = work
    let arrive = () => {}
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve
    })
    const key = idKey(id)
    inFlight.set(key, { leaving, arrived, isModern: modern !== null })
    try {
      await follow({ line, id, method, modern, signal, arrive })
    } catch (error) {
      if (signal.aborted) return
      log.warn({ err: error, method }, 'a request got no answer')
      const what = error instanceof NotSent ? notSent(url) : broken(method)
      fail(line, what)
    } finally {
      work.release()
      arrive()
      if (inFlight.get(key)?.leaving === leaving) inFlight.delete(key)
    }
  }

  interface Followed {
    readonly line: string
    readonly id: RequestPeek['id']
    readonly method: string
    readonly modern: Record<string, string> | null
    readonly signal: AbortSignal
    readonly arrive: () => void
  }

  /** Until there is an answer. @throws when there will be none */
  async function follow({ line, id, method, modern, signal, arrive }: Followed): Promise<void> {
    let isHeld = false
    let lastEventId: string | null = null
    let awaySinceMs: number | null = null
    let pauseMs = AGAIN_MS
    for (;;) {
      let response: BridgeResponse
      try {
        response =
          lastEventId === null
            ? await post(line, modern ?? legacy.headers(), signal)
            : await resume(lastEventId, signal)
      } catch (error) {
        awaySinceMs ??= performance.now()
        const mayTryAgain = error instanceof NotSent || isHeld
        const patienceMs = isHeld ? HELD_AWAY_MS : AWAY_MS
        if (signal.aborted || !mayTryAgain || performance.now() - awaySinceMs > patienceMs) throw error
        await sleep(pauseMs, signal)
        pauseMs = longer(pauseMs)
        continue
      }
      arrive()
      const isResumed: boolean = lastEventId !== null
      // What cannot be resumed is asked for again, which attaches.
      if (isResumed && (response.status !== 200 || !response.isEvents)) {
        await response.text()
        lastEventId = null
        if (!isHeld) throw new Error('the stream cannot be resumed')
        continue
      }
      if (response.status === 404 && modern === null && method !== 'initialize') {
        const text = await response.text()
        // A session that is not known has done nothing.
        if (await legacy.renew()) continue
        return refused(line, text, response.status)
      }
      if (response.status === 503 && !isJson(response)) {
        // It is starting, and has not looked at the request.
        await response.text()
        awaySinceMs ??= performance.now()
        if (performance.now() - awaySinceMs > AWAY_MS) throw new NotSent('the gateway is starting')
        await sleep(pauseMs, signal)
        pauseMs = longer(pauseMs)
        continue
      }
      awaySinceMs = null
      pauseMs = AGAIN_MS
      if (!response.isEvents) {
        const text = await response.text()
        return answered(line, method, response, text)
      }
      try {
        for await (const piece of response.pieces()) {
          if (piece.kind === 'held') isHeld = true
          else {
            lastEventId = modern === null ? (piece.eventId ?? lastEventId) : null
            if (piece.text === '') continue
            const said = peek(piece.text)
            if (said.kind === 'response' && said.id !== null && idKey(said.id) === idKey(id)) {
              return answered(line, method, response, piece.text)
            }
            write(piece.text)
          }
        }
      } catch (error) {
        if (signal.aborted || (!isHeld && lastEventId === null)) throw error
      }
      if (!isHeld && lastEventId === null) throw new Error('the stream ended without an answer')
      log.info({ method }, 'a held call lost its connection and is taken up again')
      // Many bridges lose it in the same moment.
      await sleep(randomInt(AGAIN_MS), signal)
    }
  }

  const resume = (lastEventId: string, signal: AbortSignal) =>
    http.send({
      method: 'GET',
      headers: {
        accept: 'text/event-stream',
        ...authorization,
        ...legacy.headers(),
        'last-event-id': lastEventId,
      },
      body: null,
      signal,
    })

  function answered(line: string, method: string, response: BridgeResponse, text: string) {
    const [asked, said] = [peek(line), peek(text)]
    const isOurs = asked.kind === 'request' && said.kind === 'response' && said.id !== null
    // A refusal at the door names no request.
    if (!isOurs || idKey(asked.id) !== idKey(said.id)) return refused(line, text, response.status)
    const result = rawMember(text, 'result')
    if (method === 'initialize' && result !== null) legacy.opened(line, response, text)
    if (method === 'tools/list' && result !== null) terms.learn(result)
    write(text)
  }

  /** The gateway's own words, under the id that the client knows. */
  function refused(line: string, text: string, status: number) {
    const error = peek(text).kind === 'response' ? rawMember(text, 'error') : null
    if (status === 401 || status === 403)
      log.warn({ status, text: text.slice(0, 500) }, 'the gateway did not let us in')
    if (error !== null) refuse(line, error)
    else fail(line, `The gateway answered HTTP ${status} and nothing that MCP knows. Is ${url} right?`)
  }

  const lines = createLineSplitter({
    bytesMax: LINE_BYTES_MAX,
    onLine(line, isCut) {
      reading = reading.then(() =>
        isCut
          ? write('{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the line is too long"}}')
          : take(line),
      )
    },
  })
  await new Promise<void>((resolve) => {
    input.on('data', (chunk: Buffer) => lines.feed(chunk))
    input.once('end', resolve)
    input.once('error', () => resolve())
    output.once('error', () => resolve())
    output.once('close', () => resolve())
  })
  stop.abort()
  await legacy.end()
  await http.close()
}

function broken(method: string): string {
  const unknown = 'The connection to the gateway broke. Whether this request had an effect is not known.'
  const again =
    ' If people are asked about this call, the same call again attaches to it; otherwise it runs again.'
  return method === 'tools/call' ? unknown + again : unknown
}

const longer = (pauseMs: number) => Math.min(pauseMs * 2, AGAIN_MS_MAX)
const isJson = (response: BridgeResponse) => (response.header('content-type') ?? '').includes('json')
const notSent = (url: string) =>
  `No gateway answers at ${new URL(url).origin}, so nothing was sent. Start it, or correct HOLDPOINT_URL.`

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal }).catch(() => {})
}
