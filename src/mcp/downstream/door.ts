/**
 * Who may come in: a request for a host and from an origin that are ours, with the token of an agent. The client learns
 * which of them is missing, and nothing else about what is behind the door.
 */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { httpCode, type Id, refusal, refusalResponse } from './rpc.ts'

/**
 * @param remoteAddress the peer's, `null` when a proxy in between hides it: then it proves nothing
 * @returns `null` for whoever is no agent, a person included
 */
export type Authenticate = (headers: Headers, remoteAddress: string | null) => Principal | null

export interface DoorDeps {
  /** Guards against DNS rebinding: a page in a browser reaches us under its own host name. */
  isHostAllowed(host: string): boolean
  isOriginAllowed(origin: string): boolean
  readonly authenticate: Authenticate
}

/** Bindings are there behind a real listener; `app.request()` has none. */
export type McpEnv = { Bindings: Partial<HttpBindings>; Variables: { answering: Id | null } }

const proxyHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

export function passDoor(c: Context<McpEnv>, deps: DoorDeps): Result<Principal, Response> {
  const { headers } = c.req.raw
  const host = headers.get('host') ?? new URL(c.req.url).host
  if (!deps.isHostAllowed(host)) return forbidden("'Host' is not a name of this gateway")
  const origin = headers.get('origin')
  // MUST per MCP (Transports, Security Warning). Clients outside browsers send none.
  if (origin !== null && !deps.isOriginAllowed(origin)) return forbidden("'Origin' is not allowed here")

  const isProxied = proxyHeaders.some((name) => headers.has(name))
  const remoteAddress = isProxied ? null : (c.env?.incoming?.socket.remoteAddress ?? null)
  const principal = deps.authenticate(headers, remoteAddress)
  return principal === null ? unauthenticated() : ok(principal)
}

function forbidden(message: string): Result<never, Response> {
  const remedy = 'An operator can add it to the names this gateway answers to.'
  return err(refusalResponse(refusal(403, httpCode(403), `${message}. ${remedy}`)))
}

function unauthenticated(): Result<never, Response> {
  const message =
    'An agent’s token is needed: send "Authorization: Bearer <token>". ' +
    '"holdpoint agents add <name>" makes one. A person’s token does not work here.'
  return err(refusalResponse(refusal(401, httpCode(401), message), { 'www-authenticate': 'Bearer' }))
}
