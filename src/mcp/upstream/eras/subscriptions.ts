/** `subscriptions/listen` of a modern client, on a legacy session: what the server says by itself, as one stream. */
import { z } from 'zod'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { createEventStream } from '../event-stream.ts'
import { parseJson, peek } from '../peek.ts'
import { jsonResponse } from '../refusal.ts'
import type { WireResponse } from '../wire.ts'
import type { LegacySession, Listener } from './legacy-sessions.ts'
import {
  fulfillable,
  isOf,
  META_SUBSCRIPTION_ID,
  paramsOf,
  subscriptionSchema,
  withSubscription,
} from './words.ts'

const listenSchema = z.object({ notifications: subscriptionSchema })

export function listenOn(
  session: LegacySession,
  message: string,
  signal: AbortSignal,
  bytesMax: number,
): WireResponse {
  const rawId = rawMember(message, 'id') ?? 'null'
  const wished = listenSchema.safeParse(parseJson(paramsOf(message)))
  if (!wished.success) {
    const error = { code: -32_602, message: "Invalid params: 'notifications' says what to listen to" }
    return jsonResponse(200, `{"jsonrpc":"2.0","id":${rawId},"error":${JSON.stringify(error)}}`)
  }
  const capabilities = rawMember(session.initialized, 'capabilities') ?? '{}'
  const subscription = fulfillable(wished.data.notifications, capabilities)
  const uris = subscription.resourceSubscriptions ?? []
  const resources = (method: 'resources/subscribe' | 'resources/unsubscribe') => {
    for (const uri of uris) {
      const params = JSON.stringify({ uri })
      void session.tell(`{"jsonrpc":"2.0","id":"${newOwnId()}","method":"${method}","params":${params}}`)
    }
  }
  const listener: Listener = {
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
      resources('resources/unsubscribe')
    },
  })
  const params = JSON.stringify({ notifications: subscription })
  const acknowledged = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":${params}}`
  stream.send(withSubscription(acknowledged, rawId))
  session.listeners.add(listener)
  void session.hear()
  resources('resources/subscribe')
  return stream.response
}
