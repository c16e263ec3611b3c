/** The five revisions of MCP that are spoken here, and which requests a client may make in each. */
import type { Era } from '../domain/tool-call.ts'

export const REVISIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const
export type Revision = (typeof REVISIONS)[number]

export const MODERN_REVISION = '2026-07-28' satisfies Revision
/** "the server SHOULD assume protocol version 2025-03-26" (MCP 2025-06-18, Transports, Protocol Version Header). */
export const ASSUMED_REVISION = '2025-03-26' satisfies Revision

export function revisionOf(version: string): Revision | null {
  return REVISIONS.find((revision) => revision === version) ?? null
}

/** Revisions up to 2025-11-25 open with a handshake; since 2026-07-28 each request stands alone. */
export function eraOfRevision(revision: Revision): Era {
  return revision === MODERN_REVISION ? 'modern' : 'legacy'
}

/** The era that a request's `MCP-Protocol-Version` header claims; without a header it is a legacy request. */
export function eraOf(versionHeader: string | undefined): Era | 'unknown' {
  const revision = versionHeader === undefined ? ASSUMED_REVISION : revisionOf(versionHeader)
  return revision === null ? 'unknown' : eraOfRevision(revision)
}

const inEveryRevision = [
  'completion/complete',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'tools/call',
  'tools/list',
]

const withHandshake = [
  ...inEveryRevision,
  'initialize',
  'logging/setLevel',
  'ping',
  'resources/subscribe',
  'resources/unsubscribe',
]

const requests: Readonly<Record<Revision, ReadonlySet<string>>> = {
  '2024-11-05': new Set(withHandshake),
  '2025-03-26': new Set(withHandshake),
  '2025-06-18': new Set(withHandshake),
  '2025-11-25': new Set([...withHandshake, 'tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel']),
  // The tasks methods belong to the extension io.modelcontextprotocol/tasks, which no revision forbids. tasks/update is not
  // among them: it answers what a server asks about a running call, which may be the very thing that people ought to decide.
  // An operator who knows a server's questions can let it through (`methods` in holdpoint.yaml).
  '2026-07-28': new Set([
    ...inEveryRevision,
    'server/discover',
    'subscriptions/listen',
    'tasks/get',
    'tasks/cancel',
  ]),
}

/** Whether a client may make this request in this revision. Notifications are not requests and always pass. */
export function isRequestOf(revision: Revision, method: string): boolean {
  return requests[revision].has(method)
}
