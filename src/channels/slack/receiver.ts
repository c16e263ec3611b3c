/**
 * Slack over HTTP on our own port. Nothing is read before the signature over the raw bytes and its time are checked,
 * and Slack has an answer before its three seconds are over.
 */
import { type App, verifySlackRequest } from '@slack/bolt'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Log } from '../../ports/log.ts'

/** Slack shows an error after three seconds; ours has to arrive before. */
const ANSWER_MS_MAX = 2_800
/** Payloads hold a whole message with its blocks, twice escaped. */
const BODY_BYTES_MAX = 1024 * 1024
const CLOCK_SKEW_S_MAX = 300

export function createSlackRoutes(deps: {
  app: Pick<App, 'processEvent'>
  signingSecret: string
  /** Ours, as soon as it is known. */
  ownAppId: () => string | null
  log: Log
}): Hono {
  const { app, signingSecret, ownAppId, log } = deps
  const routes = new Hono()
  const limited = bodyLimit({ maxSize: BODY_BYTES_MAX, onError: (c) => c.text('', 413) })

  routes.post('/slack/events', limited, async (c) => {
    const raw = await c.req.text()
    if (!isFromSlack(raw, c.req.header('x-slack-signature'), c.req.header('x-slack-request-timestamp'))) {
      log.warn({}, 'a request to /slack/events that Slack did not sign just now was refused')
      return c.text('', 401)
    }
    const body = parseBody(raw, c.req.header('content-type') ?? '')
    if (body === null) return c.text('', 400)
    if (body.ssl_check === '1') return c.text('')
    if (body.type === 'url_verification') return c.json({ challenge: body.challenge })
    const own = ownAppId()
    if (own !== null && body.api_app_id !== own) return c.text('', 401)
    return answerOf(body)
  })
  return routes

  function isFromSlack(raw: string, signature = '', timestamp = ''): boolean {
    if (!/^v0=[0-9a-f]{64}$/.test(signature) || !/^[1-9]\d{0,11}$/.test(timestamp)) return false
    const lateS = Math.round(Date.now() / 1_000 - Number(timestamp))
    // Bolt looks only at the past, and does not say that it was the time.
    if (Math.abs(lateS) > CLOCK_SKEW_S_MAX) {
      log.warn({ lateS }, `a request to /slack/events is ${lateS} s old; is the clock of this machine right?`)
      return false
    }
    const headers = { 'x-slack-signature': signature, 'x-slack-request-timestamp': Number(timestamp) }
    try {
      verifySlackRequest({ signingSecret, body: raw, headers })
      return true
    } catch {
      return false
    }
  }

  function answerOf(body: Record<string, unknown>): Promise<Response> {
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        log.warn({}, 'Slack was told to try again: the answer took too long')
        resolve(new Response('', { status: 503 }))
      }, ANSWER_MS_MAX)
      const answer = (response: Response) => {
        clearTimeout(late)
        resolve(response)
      }
      const ack = async (said?: unknown) => answer(responseOf(said))
      app.processEvent({ body, ack }).then(
        // Whatever nobody listens to is no error of Slack's.
        () => answer(new Response('')),
        () => answer(new Response('', { status: 500 })),
      )
    })
  }
}

function responseOf(said: unknown): Response {
  if (said === undefined || said === '') return new Response('')
  return typeof said === 'string' ? new Response(said) : Response.json(said)
}

/** Interactivity is a form with one field of JSON, commands are a form, events are JSON. `null`: none of these. */
function parseBody(raw: string, contentType: string): Record<string, unknown> | null {
  if (contentType.startsWith('application/json')) return parseObject(raw)
  const form = new URLSearchParams(raw)
  const payloads = form.getAll('payload')
  if (payloads.length > 1) return null
  const [payload] = payloads
  return payload === undefined ? Object.fromEntries(form) : parseObject(payload)
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
