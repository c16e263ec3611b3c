/** How Slack brings a payload to the app: signed over HTTP or over a socket, and how it judges the acknowledgement. */
import { createHmac } from 'node:crypto'
import { request } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { type Fields, parseJson } from './json.ts'
import type { createSocketMode, Envelope } from './socket-mode.ts'

export interface Delivery {
  /**
   * `operation_timeout`: no answer in time, which the person sees although the app may have acted. `http_error`: an
   * answer other than 2xx. `dispatch_failed`: the app could not be reached.
   */
  readonly outcome: 'acknowledged' | 'operation_timeout' | 'http_error' | 'dispatch_failed'
  /** `null` over a socket and without an answer. */
  readonly status: number | null
  /** Parsed when it is JSON. */
  readonly body: unknown
  readonly tookMs: number
  /** The number of the socket it went to, `null` over HTTP. */
  readonly connection: number | null
  readonly payload: Fields
}

/** What makes a delivery wrong, or another than Slack would send. */
export interface Tampering {
  readonly payload?: (payload: Fields) => Fields
  readonly secret?: string
  readonly timestampOffsetS?: number
  /** Replaces headers after signing; `null` removes one. */
  readonly headers?: Readonly<Record<string, string | null>>
}

export type Transport = { readonly kind: 'http'; readonly url: URL } | { readonly kind: 'socket' }

export interface Outgoing {
  readonly type: Envelope['type']
  readonly payload: Fields
  readonly acceptsResponse: boolean
  readonly retry?: { readonly attempt: number; readonly reason: string }
}

export function createDelivery(dependencies: {
  readonly sockets: ReturnType<typeof createSocketMode>
  readonly signingSecret: string
  readonly ackTimeoutMs: number
}) {
  const { sockets, signingSecret, ackTimeoutMs } = dependencies
  let transport: Transport = { kind: 'socket' }
  let isNextAckLost = false

  async function deliver(outgoing: Outgoing, tampering: Tampering = {}): Promise<Delivery> {
    const payload = tampering.payload?.(outgoing.payload) ?? outgoing.payload
    const isAckLost = isNextAckLost
    isNextAckLost = false
    const startedMs = performance.now()
    const result =
      transport.kind === 'http'
        ? await overHttp(transport.url, { ...outgoing, payload }, tampering)
        : await overSocket({ ...outgoing, payload })
    const lost = { outcome: 'operation_timeout', status: null, body: null } as const
    return { ...result, ...(isAckLost ? lost : {}), tookMs: performance.now() - startedMs, payload }
  }

  async function overHttp(url: URL, outgoing: Outgoing, tampering: Tampering) {
    const isJson = outgoing.type === 'events_api'
    return post(url, bodyOf(outgoing), {
      contentType: isJson ? 'application/json' : 'application/x-www-form-urlencoded',
      tampering,
      extra:
        outgoing.retry === undefined
          ? {}
          : {
              'x-slack-retry-num': String(outgoing.retry.attempt),
              'x-slack-retry-reason': outgoing.retry.reason,
            },
    })
  }

  /** Any body, signed as Slack signs. The door for what Slack would never send. */
  async function post(
    url: URL,
    body: string,
    how: {
      readonly contentType: string
      readonly tampering: Tampering
      readonly extra: Readonly<Record<string, string>>
    },
  ) {
    const { tampering } = how
    const timestamp = String(Math.floor(Date.now() / 1000) + (tampering.timestampOffsetS ?? 0))
    const secret = tampering.secret ?? signingSecret
    const signed = {
      'content-type': how.contentType,
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`,
      ...how.extra,
    }
    const headers = Object.fromEntries(
      Object.entries({ ...signed, ...tampering.headers }).flatMap(([name, value]) =>
        value === null ? [] : [[name, value]],
      ),
    )
    const answer = await exchange(url, body, headers, ackTimeoutMs)
    return { ...answer, connection: null }
  }

  async function overSocket(outgoing: Outgoing) {
    const ack = await sockets.deliver(outgoing, ackTimeoutMs)
    switch (ack.kind) {
      case 'acknowledged':
        return {
          outcome: 'acknowledged',
          status: null,
          body: ack.body,
          connection: ack.connection,
        } as const
      case 'timeout':
      case 'cut':
        return {
          outcome: 'operation_timeout',
          status: null,
          body: null,
          connection: ack.connection,
        } as const
      case 'no_connection':
        return { outcome: 'dispatch_failed', status: null, body: null, connection: null } as const
    }
  }

  return {
    deliver,
    post,
    use(next: Transport): void {
      transport = next
    },
    transport: () => transport,
    /** The app's next acknowledgement does not arrive, although the app gave it. */
    loseNextAck(): void {
      isNextAckLost = true
    },
  }
}

type HttpAnswer = Pick<Delivery, 'outcome' | 'status' | 'body'> & {
  readonly headers: Readonly<Record<string, unknown>>
}

/** One request on a connection of its own. */
function exchange(
  url: URL,
  body: string,
  headers: Readonly<Record<string, string>>,
  limitMs: number,
): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const outgoing = request(url, { method: 'POST', headers, agent: false }, (incoming) => {
      const status = incoming.statusCode ?? 0
      const outcome = status >= 200 && status < 300 ? 'acknowledged' : 'http_error'
      readText(incoming).then(
        (text) => finish({ outcome, status, body: parseJson(text) ?? text, headers: incoming.headers }),
        () => finish({ outcome: 'dispatch_failed', status, body: null, headers: {} }),
      )
    })
    const timer = setTimeout(() => {
      finish({ outcome: 'operation_timeout', status: null, body: null, headers: {} })
      outgoing.destroy()
    }, limitMs)
    outgoing.on('error', () => finish({ outcome: 'dispatch_failed', status: null, body: null, headers: {} }))
    outgoing.end(body)

    function finish(answer: HttpAnswer): void {
      clearTimeout(timer)
      resolve(answer)
    }
  })
}

function bodyOf({ type, payload }: Outgoing): string {
  switch (type) {
    case 'interactive':
      return new URLSearchParams({ payload: JSON.stringify(payload) }).toString()
    case 'slash_commands':
      return new URLSearchParams(
        Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, String(value)])),
      ).toString()
    case 'events_api':
      return JSON.stringify(payload)
  }
}
