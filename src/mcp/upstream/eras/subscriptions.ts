/** `subscriptions/listen` of a modern client, on a legacy session: what the server says by itself, as one stream. */
import { z } from 'zod'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { createEventStream } from '../event-stream.ts'
import { parseJson, peek } from '../peek.ts'
import { jsonResponse } from '../refusal.ts'
import type { WireResponse } from '../wire.ts'
import type { LegacySession, Listener } from './legacy-sessions.ts'
import { tooManyResources } from './watched-resources.ts'
import {
  fulfillable,
  isOf,
  META_SUBSCRIPTION_ID,
  paramsOf,
  subscriptionSchema,
  withSubscription,
} from './words.ts'

/** Streams that one agent listens on, at one server and gateway: a host opens one for each of its conversations. */
const LISTENERS_MAX = 200

const listenSchema = z.object({ notifications: subscriptionSchema })

export function listenOn(
  session: LegacySession,
  message: string,
  signal: AbortSignal,
  bytesMax: number,
): WireResponse {
  const rawId = rawMember(message, 'id') ?? 'null'
  const refused = (code: number, why: string) =>
    jsonResponse(200, `{"jsonrpc":"2.0","id":${rawId},"error":${JSON.stringify({ code, message: why })}}`)
  const wished = listenSchema.safeParse(parseJson(paramsOf(message)))
  if (!wished.success) return refused(-32_602, "Invalid params: 'notifications' says what to listen to")
  const full = tooManyResources(wished.data.notifications.resourceSubscriptions ?? [])
  if (full !== null) return refused(-32_602, `Invalid params: ${full}`)
  if (session.listeners.size >= LISTENERS_MAX)
    return refused(
      -32_000,
      `This agent listens ${LISTENERS_MAX} times to this server already; end one that is not needed.`,
    )
  const capabilities = rawMember(session.initialized, 'capabilities') ?? '{}'
  const subscription = fulfillable(wished.data.notifications, capabilities)
  const uris = subscription.resourceSubscriptions ?? []
  let telling = Promise.resolve()
  /** One after the other: over HTTP each takes a connection of its own. */
  const tell = (method: 'resources/subscribe' | 'resources/unsubscribe', which: readonly string[]) => {
    telling = telling.then(async () => {
      for (const uri of which) {
        const params = JSON.stringify({ uri })
        await session.tell(`{"jsonrpc":"2.0","id":"${newOwnId()}","method":"${method}","params":${params}}`)
      }
    })
  }
  /** Others of this agent listen on the same session. */
  const nobodyElses = () => {
    const others = new Set([...session.listeners].flatMap((one) => one.uris))
    return uris.filter((uri) => !others.has(uri))
  }
  const listener: Listener = {
    uris,
    hear(said) {
      const peeked = peek(said)
      if (peeked.kind !== 'notification') return
      const uri = parseJson(rawMember(paramsOf(said), 'uri') ?? 'null')
      if (isOf({ method: peeked.method, uri }, subscription)) stream.send(withSubscription(said, rawId))
    },
    // The answer to the request itself says that it is over.
    end() {
      session.listeners.delete(listener)
      const meta = `{"${META_SUBSCRIPTION_ID}":${rawId}}`
      stream.send(`{"jsonrpc":"2.0","id":${rawId},"result":{"resultType":"complete","_meta":${meta}}}`)
      stream.end()
    },
  }
  const stream = createEventStream({
    signal,
    unreadBytesMax: 2 * bytesMax,
    onLeave() {
      session.listeners.delete(listener)
      tell('resources/unsubscribe', nobodyElses())
    },
  })
  const params = JSON.stringify({ notifications: subscription })
  const acknowledged = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":${params}}`
  stream.send(withSubscription(acknowledged, rawId))
  session.listeners.add(listener)
  void session.hear()
  tell('resources/subscribe', uris)
  return stream.response
}
