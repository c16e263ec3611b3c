/**
 * One message in the words of the other era. Legacy is MCP up to 2025-11-25, modern is 2026-07-28. Texts are cut and joined,
 * never parsed and written again, so that what neither era changes keeps its bytes.
 */
import { z } from 'zod'
import { envelopeKeys } from '../../../domain/tool-call.ts'
import { mergeObjects, rawMember, withMember, withoutMembers } from '../../raw-json.ts'
import { MODERN_REVISION } from '../../revisions.ts'
import { parseJson } from '../peek.ts'
import { UpstreamFault } from '../wire.ts'

export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'
export const META_CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
export const META_CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
export const META_LOG_LEVEL = 'io.modelcontextprotocol/logLevel'
export const META_SERVER_INFO = 'io.modelcontextprotocol/serverInfo'
export const META_SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'

/** Legacy: "resource not found". 2026-07-28 has no such code: it "MUST NOT be emitted", invalid params are what it is. */
const RESOURCE_NOT_FOUND = -32_002
const INVALID_PARAMS = -32_602

/** Results that say how long they may be kept (MCP 2026-07-28, Caching). Ours may differ from principal to principal. */
const cacheable = new Set([
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'server/discover',
  'tools/list',
])

/** Where a message stands among others: its own `id`, and the token that its progress comes under, as raw JSON. */
export interface Marks {
  readonly rawId: string
  readonly rawToken: string | null
}

export function marksOf(message: string): Marks {
  const meta = rawMember(paramsOf(message), '_meta') ?? '{}'
  return { rawId: rawMember(message, 'id') ?? 'null', rawToken: rawMember(meta, 'progressToken') }
}

export const paramsOf = (message: string): string => rawMember(message, 'params') ?? '{}'

/** The same request under other marks; where it asked for no progress, it does not now. */
export function markedAs(message: string, own: Marks): string {
  const marked = withMember(message, 'id', own.rawId)
  const params = paramsOf(message)
  const meta = rawMember(params, '_meta')
  if (own.rawToken === null || meta === null || rawMember(meta, 'progressToken') === null) return marked
  const remarked = withMember(meta, 'progressToken', own.rawToken)
  return withMember(marked, 'params', withMember(params, '_meta', remarked))
}

/** A progress notification under the token that its requester chose. */
export function progressFor(message: string, rawToken: string): string {
  return withMember(message, 'params', withMember(paramsOf(message), 'progressToken', rawToken))
}

/** A modern request without what each modern request says about itself, and without answers to questions. */
export function toLegacyRequest(message: string): string {
  const params = withoutMembers(
    paramsOf(message),
    (name) => name === 'inputResponses' || name === 'requestState',
  )
  const meta = withoutMembers(rawMember(params, '_meta') ?? '{}', (name) => envelopeKeys.has(name))
  const isBare = meta === '{}'
  const legacy = isBare
    ? withoutMembers(params, (name) => name === '_meta')
    : withMember(params, '_meta', meta)
  return withMember(message, 'params', legacy)
}

/** @param envelope raw JSON object of the `io.modelcontextprotocol/*` members that say who asks */
export function toModernRequest(message: string, envelope: string): string {
  const params = paramsOf(message)
  const meta = mergeObjects(rawMember(params, '_meta') ?? '{}', envelope)
  return withMember(message, 'params', withMember(params, '_meta', meta))
}

/** A legacy answer as a modern one, under the id of its requester. */
export function toModernAnswer(message: string, method: string, rawId: string): string {
  const answer = withMember(message, 'id', rawId)
  const result = rawMember(answer, 'result')
  if (result === null) return toModernError(answer)
  if (!result.startsWith('{')) return answer
  const under = {
    resultType: 'complete',
    ...(cacheable.has(method) ? { ttlMs: 0, cacheScope: 'private' } : {}),
  }
  return withMember(answer, 'result', mergeObjects(JSON.stringify(under), result))
}

function toModernError(answer: string): string {
  const error = rawMember(answer, 'error') ?? '{}'
  if (rawMember(error, 'code') !== String(RESOURCE_NOT_FOUND)) return answer
  return withMember(answer, 'error', withMember(error, 'code', String(INVALID_PARAMS)))
}

/** A modern answer as a legacy one: what legacy results do not have is taken out. */
export function toLegacyAnswer(message: string, rawId: string): string {
  const answer = withMember(message, 'id', rawId)
  const result = rawMember(answer, 'result')
  if (result === null || !result.startsWith('{')) return answer
  return withMember(
    answer,
    'result',
    withoutMembers(result, (name) => modernOnly.has(name)),
  )
}

/** Of a question that nobody here may answer, everything stays: what it is has to be seen. */
export const questionAsItIs = (message: string, rawId: string): string => withMember(message, 'id', rawId)

const modernOnly = new Set(['resultType', 'ttlMs', 'cacheScope'])

/** A notification without the subscription that it came by. */
export function withoutSubscription(message: string): string {
  const params = paramsOf(message)
  const meta = rawMember(params, '_meta')
  if (meta === null) return message
  const kept = withoutMembers(meta, (name) => name === META_SUBSCRIPTION_ID)
  const without =
    kept === '{}' ? withoutMembers(params, (name) => name === '_meta') : withMember(params, '_meta', kept)
  return withMember(message, 'params', without)
}

/** A notification as one of this subscription. */
export function withSubscription(message: string, rawListenId: string): string {
  const params = paramsOf(message)
  const meta = withMember(rawMember(params, '_meta') ?? '{}', META_SUBSCRIPTION_ID, rawListenId)
  return withMember(message, 'params', withMember(params, '_meta', meta))
}

/** What a modern request says about its sender, each as raw JSON. */
export interface Sender {
  readonly info: string | null
  readonly capabilities: string
  readonly logLevel: string | null
}

export function senderOf(message: string): Sender {
  const meta = rawMember(paramsOf(message), '_meta') ?? '{}'
  const level = parseJson(rawMember(meta, META_LOG_LEVEL) ?? 'null')
  return {
    info: rawMember(meta, META_CLIENT_INFO),
    capabilities: rawMember(meta, META_CLIENT_CAPABILITIES) ?? '{}',
    logLevel: typeof level === 'string' ? level : null,
  }
}

/** The members that every modern request carries about its sender, as a raw JSON object. */
export function envelopeOf({ info, capabilities, logLevel }: Sender): string {
  const members = [
    `"${META_PROTOCOL_VERSION}":"${MODERN_REVISION}"`,
    `"${META_CLIENT_CAPABILITIES}":${capabilities}`,
    ...(info === null ? [] : [`"${META_CLIENT_INFO}":${info}`]),
    ...(logLevel === null ? [] : [`"${META_LOG_LEVEL}":${JSON.stringify(logLevel)}`]),
  ]
  return `{${members.join(',')}}`
}

/** What a server can be asked to tell by itself (MCP 2026-07-28, Subscriptions). */
export const subscriptionSchema = z.object({
  toolsListChanged: z.boolean().optional(),
  promptsListChanged: z.boolean().optional(),
  resourcesListChanged: z.boolean().optional(),
  resourceSubscriptions: z.array(z.string()).optional(),
})
export type Subscription = z.infer<typeof subscriptionSchema>

const flag = z
  .object({ listChanged: z.boolean().optional(), subscribe: z.boolean().optional() })
  .optional()
  .catch({})
const tellingSchema = z.object({ tools: flag, prompts: flag, resources: flag })

/** As much of a wish as a server with these capabilities (raw JSON) can fulfil. */
export function fulfillable(wish: Subscription, capabilities: string): Subscription {
  const telling = tellingSchema.safeParse(parseJson(capabilities))
  const { tools, prompts, resources } = telling.success ? telling.data : {}
  return {
    ...(wish.toolsListChanged === true && tools?.listChanged === true ? { toolsListChanged: true } : {}),
    ...(wish.promptsListChanged === true && prompts?.listChanged === true
      ? { promptsListChanged: true }
      : {}),
    ...(wish.resourcesListChanged === true && resources?.listChanged === true
      ? { resourcesListChanged: true }
      : {}),
    ...(wish.resourceSubscriptions !== undefined && resources?.subscribe === true
      ? { resourceSubscriptions: wish.resourceSubscriptions }
      : {}),
  }
}

/** Whether a notification belongs to a subscription. */
export function isOf({ method, uri }: { method: string; uri: unknown }, subscription: Subscription): boolean {
  switch (method) {
    case 'notifications/tools/list_changed':
      return subscription.toolsListChanged === true
    case 'notifications/prompts/list_changed':
      return subscription.promptsListChanged === true
    case 'notifications/resources/list_changed':
      return subscription.resourcesListChanged === true
    case 'notifications/resources/updated':
      return typeof uri === 'string' && subscription.resourceSubscriptions?.includes(uri) === true
    default:
      return false
  }
}

/** What is said about a request that was not answered. */
export function unanswered(server: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error)
  const isUnsent = error instanceof UpstreamFault && !error.isSent
  const effect = isUnsent ? 'Nothing was sent.' : 'It may have acted on this request.'
  return `${server} did not answer: ${reason}. ${effect}`
}
