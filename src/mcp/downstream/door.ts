/**
 * Who may come in: a request for a host and from an origin that are ours, with the token of an agent. The client learns
 * which of them is missing, and nothing else about what is behind the door.
 */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { CLI } from '../../domain/command-line.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Admission, Admit, ProtectedResource } from '../../ports/admission.ts'
import { httpCode, type Id, refusal, refusalResponse } from './rpc.ts'

export interface DoorDeps {
  /** Guards against DNS rebinding: a page in a browser reaches us under its own host name. */
  isHostAllowed(host: string): boolean
  isOriginAllowed(origin: string): boolean
  readonly authenticate: Admit
  /** Where clients learn how to get a token for this server; `null`: only our own tokens are accepted. */
  challengeOf(server: string): ProtectedResource | null
}

/** Bindings are there behind a real listener; `app.request()` has none. */
export type McpEnv = { Bindings: Partial<HttpBindings>; Variables: { answering: Id | null } }

const proxyHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

export async function passDoor(
  c: Context<McpEnv>,
  server: string,
  deps: DoorDeps,
): Promise<Result<Principal, Response>> {
  const { headers } = c.req.raw
  const host = headers.get('host') ?? new URL(c.req.url).host
  if (!deps.isHostAllowed(host)) return forbidden("'Host' is not a name of this gateway")
  const origin = headers.get('origin')
  // MUST per MCP (Transports, Security Warning). Clients outside browsers send none.
  if (origin !== null && !deps.isOriginAllowed(origin)) return forbidden("'Origin' is not allowed here")

  const admission = await admitOf(c, server, deps)()
  return admission.kind === 'admitted'
    ? ok(admission.principal)
    : unauthenticated(admission, deps.challengeOf(server))
}

/** Whether whoever sent this request is let in, also long after it came. */
export function admitOf(
  c: Context<McpEnv>,
  server: string,
  { authenticate }: Pick<DoorDeps, 'authenticate'>,
): () => Promise<Admission> {
  const { headers } = c.req.raw
  const isProxied = proxyHeaders.some((name) => headers.has(name))
  const remoteAddress = isProxied ? null : (c.env?.incoming?.socket.remoteAddress ?? null)
  return () => authenticate(headers, remoteAddress, server)
}

function forbidden(message: string): Result<never, Response> {
  const remedy = 'An operator can add it to the names this gateway answers to.'
  return err(refusalResponse(refusal(403, httpCode(403), `${message}. ${remedy}`)))
}

type Refused = Extract<Admission, { kind: 'refused' }>

/** As RFC 6750, section 3, RFC 9728, section 5.1, and MCP (Authorization) have it. */
function unauthenticated(
  { because, message }: Refused,
  resource: ProtectedResource | null,
): Result<never, Response> {
  const stop = (status: number, text: string, headers: Record<string, string>) =>
    err(refusalResponse(refusal(status, httpCode(status), text), headers))
  switch (because) {
    case 'keys_unavailable':
      return stop(503, message, { 'retry-after': '5' })
    case 'insufficient_scope':
      return stop(403, message, { 'www-authenticate': challenge('insufficient_scope', message, resource) })
    case 'invalid_token':
      return stop(401, message, { 'www-authenticate': challenge('invalid_token', message, resource) })
    case 'no_token': {
      const own = `"${CLI} agents add <name>" makes one. A person’s token does not work here.`
      const text = `${message} Send "Authorization: Bearer <token>". ${own}${orSignIn(resource)}`
      // "SHOULD NOT include an error code" where there was no token (RFC 6750, section 3.1).
      return stop(401, text, { 'www-authenticate': challenge(null, null, resource) })
    }
  }
}

const orSignIn = (resource: ProtectedResource | null) =>
  resource === null ? '' : ` ${resource.metadataUrl} says where a client can get one by OAuth.`

function challenge(
  error: string | null,
  description: string | null,
  resource: ProtectedResource | null,
): string {
  const parameters = [
    ['error', error],
    ['error_description', description === null ? null : quotable(description)],
    ['resource_metadata', resource?.metadataUrl ?? null],
    ['scope', resource === null || resource.scopes.length === 0 ? null : resource.scopes.join(' ')],
  ].flatMap(([name, value]) => (value === null ? [] : [`${name}="${value}"`]))
  return ['Bearer', parameters.join(', ')].join(' ').trim()
}

/** What a description may hold: ASCII without quotes and backslashes (RFC 6750, section 3). */
const quotable = (text: string) =>
  text
    .replaceAll('’', "'")
    .replaceAll('"', "'")
    .replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')
