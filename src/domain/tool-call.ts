/** One `tools/call` as a value, split into what identifies it, what is shown and sent, and what only carries it. */
import { canonical, digestOf, type JsonObject, type JsonValue } from './canonical.ts'
import type { Principal } from './principal.ts'

/** Revisions up to 2025-11-25 are `legacy` (a handshake), later ones `modern` (each request stands alone). */
export type Era = 'legacy' | 'modern'

export interface ToolCall {
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  readonly era: Era
  /** RFC 8785 text of `{name, arguments, _meta?}` without the `_meta` keys that only carry the call. */
  readonly canonicalParams: string
  readonly idempotencyKey: string | null
  /** Of the protocol, where it has one. */
  readonly session?: string | undefined
  /** The client waits for it as a task of 2025-11-25, and is told in its session how that goes. */
  readonly asTask?: boolean | undefined
}

/** Our keys in `_meta` (MCP: reverse-DNS prefix), on requests and on results. */
export const META_IDEMPOTENCY_KEY = 'dev.holdpoint/idempotency-key'
export const META_APPROVAL = 'dev.holdpoint/approval'

/** What every 2026-07-28 request carries about itself (MCP 2026-07-28, Basic), and nothing else under that prefix. */
export const envelopeKeys: ReadonlySet<string> = new Set(
  ['protocolVersion', 'clientInfo', 'clientCapabilities', 'logLevel'].map(
    (name) => `io.modelcontextprotocol/${name}`,
  ),
)

/** Codex names what it adds to a call without any prefix: these are its own beside this one, and anybody's else. */
const CODEX_TURN = 'x-codex-turn-metadata'
const codexKeys = new Set(['callId', 'itemId', 'sessionId', 'threadId', 'windowId', CODEX_TURN])

/**
 * What of `params._meta` is shown, hashed, stored and sent: everything but what belongs to the transport of one request. That is the
 * protocol's envelope, the progress token, W3C trace context, and the identifiers that Claude Code, Codex and VS Code add to
 * every call (a repeat of the same call must still be the same call). None of them is sent on, the envelope excepted.
 * `npm run clients` finds out when one of them begins to send another.
 */
export function keptMeta(meta: JsonObject): JsonObject {
  const isCodex = CODEX_TURN in meta
  const isTransport = (key: string) => isTransportMeta(key) || (isCodex && codexKeys.has(key))
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !isTransport(key)))
}

function isTransportMeta(key: string): boolean {
  return (
    key === 'progressToken' ||
    key === 'traceparent' ||
    key === 'tracestate' ||
    key === 'baggage' ||
    envelopeKeys.has(key) ||
    key.startsWith('dev.holdpoint/') ||
    key.startsWith('claudecode/') ||
    key.startsWith('vscode.')
  )
}

/**
 * The text that is shown, hashed, stored and sent.
 * @param answers `inputResponses` and `requestState`, where the call answers what the upstream asked (2026-07-28)
 */
export function canonicalParams(
  name: string,
  args: JsonObject,
  meta: JsonObject,
  answers: JsonObject = {},
): string {
  const kept = keptMeta(meta)
  const params: Record<string, JsonValue> = { ...answers, name, arguments: args }
  if (Object.keys(kept).length > 0) params._meta = kept
  return canonical(params)
}

/**
 * Two calls with the same attach key are the same call: one approval, one execution, one outcome for both.
 * The era is part of it because a reply of one era is not a valid reply in the other. JSON-RPC ids are not.
 */
export function attachKey(call: ToolCall): string {
  return digestOf({ v: 1, call: callKey(call), era: call.era, idempotencyKey: call.idempotencyKey })
}

/**
 * What is asked for, and by whom. Unlike the attach key it does not change with an idempotency key or an era, so that
 * neither of them gets around a no. The owner is part of it: an agent's name that moves to somebody else is another agent.
 */
export function callKey({ principal, server, canonicalParams }: ToolCall): string {
  const { name, owner } = principal
  return digestOf({ v: 1, principal: { name, owner }, server, params: canonicalParams })
}

/** What the upstream says a tool is. Pinned by digest, because people approve what the tool was when they looked. */
export interface ToolDefinition {
  readonly digest: string
  readonly title: string | null
  readonly description: string | null
}

const definingKeys = [
  'name',
  'title',
  'description',
  'inputSchema',
  'outputSchema',
  'annotations',
  'execution',
] as const

/** The members that make a tool what it is; others (`_meta`, icons) may change at any time. */
export const definingPart = (listed: JsonObject): JsonObject =>
  Object.fromEntries(
    definingKeys.flatMap((key) => (listed[key] === undefined ? [] : [[key, listed[key]] as const])),
  )

export function toolDefinition(listed: JsonObject): ToolDefinition {
  const text = (value: JsonValue | undefined) => (typeof value === 'string' ? value : null)
  return {
    digest: digestOf(definingPart(listed)),
    title: text(listed.title),
    description: text(listed.description),
  }
}
