/** One JSON-RPC request of our own to an upstream, with a limit on its silence. Never throws. */
import type { Principal } from '../../domain/principal.ts'
import { workSignal } from '../work-signal.ts'
import { readAnswer } from './read-answer.ts'
import { type Upstream, UpstreamFault } from './wire.ts'

export type Asked =
  | {
      readonly kind: 'answer'
      readonly text: string
      readonly isError: boolean
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
    }
  /** A response came, but no answer in it. */
  | { readonly kind: 'none'; readonly reason: string; readonly status: number }
  | {
      readonly kind: 'fault'
      readonly reason: string
      readonly isSent: boolean
      /** For the agent and its user. */
      readonly told: string | null
    }

export interface AskOptions {
  readonly upstream: Upstream
  readonly principal: Principal
  readonly headers: Readonly<Record<string, string>>
  readonly id: string
  readonly body: string
  readonly freshConnection: boolean
  readonly mayStart: () => boolean
  readonly answerBytesMax: number
  /** Only whole messages end the silence: a connection that is kept open is no sign that a tool works. */
  readonly silenceMs: number
  readonly onMessage: (rawText: string) => void
  /** Ends it before there is an answer. */
  readonly leaving?: AbortSignal | undefined
}

export async function ask(options: AskOptions): Promise<Asked> {
  const { upstream, silenceMs } = options
  const patience = new AbortController()
  const silent = `${upstream.server} was silent for ${Math.round(silenceMs / 1_000)} s`
  const timer = setTimeout(() => patience.abort(), silenceMs)
  const { leaving } = options
  const work = workSignal(leaving === undefined ? [patience.signal] : [patience.signal, leaving], null)
  try {
    const response = await upstream.exchange({
      method: 'POST',
      headers: { ...options.headers, ...ofAnyMessage },
      body: options.body,
      principal: options.principal,
      signal: work.signal,
      freshConnection: options.freshConnection,
      mayStart: options.mayStart,
    })
    const answer = await readAnswer(response, {
      server: upstream.server,
      id: options.id,
      answerBytesMax: options.answerBytesMax,
      onMessage(rawText) {
        timer.refresh()
        options.onMessage(rawText)
      },
    })
    if (answer.kind === 'answer') return { ...answer, status: response.status, headers: response.headers }
    return { kind: 'none', reason: patience.signal.aborted ? silent : answer.reason, status: response.status }
  } catch (error) {
    // Anything but a fault that proves it leaves open whether the request arrived.
    const isSent = !(error instanceof UpstreamFault) || error.isSent
    const reason = error instanceof Error ? error.message : String(error)
    const told = error instanceof UpstreamFault ? error.told : null
    return { kind: 'fault', reason: patience.signal.aborted ? silent : reason, isSent, told }
  } finally {
    clearTimeout(timer)
    // Whatever is still open is not read any more.
    patience.abort()
  }
}

export const ofAnyMessage = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
} as const
