/**
 * Who may pass: people to the approvals, agents to the outcomes of their own calls. Runs before any input is read.
 * A token counts only in the `Authorization` header; there are no cookies, so another site's page can borrow nothing.
 */
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { CLI } from '../domain/command-line.ts'
import type { Person, Principal } from '../domain/principal.ts'
import type { Admit } from '../ports/admission.ts'
import { type ApiError, toBody } from './errors.ts'

export interface Authenticate {
  /** The agent whose token this is, or the built-in local principal for a request without a token from loopback. */
  readonly agent: Admit
  /** The person in the directory whose token this is. */
  person(headers: Headers): Person | null
}

/** `incoming` is missing when no socket is involved. */
export type ApiEnv = {
  Bindings: Partial<HttpBindings>
  Variables: { person: Person; principal: Principal }
}

export const refuse = (c: Context, error: ApiError) => c.json(toBody(error), error.status)

const remoteOf = (c: Context<ApiEnv>) => c.env?.incoming?.socket.remoteAddress ?? null

export function onlyAllowedOrigins(isOriginAllowed: (origin: string) => boolean): MiddlewareHandler<ApiEnv> {
  return async function checkOrigin(c, next) {
    const origin = c.req.header('origin')
    if (origin !== undefined && !isOriginAllowed(origin)) {
      return refuse(c, {
        status: 403,
        code: 'origin_not_allowed',
        message: 'Pages of this origin may not use the API.',
      })
    }
    await next()
  }
}

/** Answers hold arguments and results: nothing on the way may keep them. */
export const neverStored: MiddlewareHandler<ApiEnv> = async function noStore(c, next) {
  await next()
  c.header('Cache-Control', 'no-store')
  c.header('X-Content-Type-Options', 'nosniff')
}

export function onlyPeople(authenticate: Authenticate): MiddlewareHandler<ApiEnv> {
  return async function requirePerson(c, next) {
    const { headers } = c.req.raw
    const person = authenticate.person(headers)
    if (person !== null) {
      c.set('person', person)
      return next()
    }
    if (
      headers.has('authorization') &&
      (await authenticate.agent(headers, remoteOf(c), null)).kind === 'admitted'
    ) {
      return refuse(c, {
        status: 403,
        code: 'agents_decide_nothing',
        message:
          'This is the token of an agent. Approvals are for people: an agent sees and decides nothing here.',
        remedy: `Use the token of a person, made by \`${CLI} people token <id>\`.`,
      })
    }
    return unauthenticated(
      c,
      'a person',
      `Send \`Authorization: Bearer hpp_…\`; \`${CLI} people token <id>\` makes one.`,
    )
  }
}

export function onlyAgents(authenticate: Authenticate): MiddlewareHandler<ApiEnv> {
  return async function requireAgent(c, next) {
    const { headers } = c.req.raw
    const admission = await authenticate.agent(headers, remoteOf(c), null)
    if (admission.kind === 'admitted') {
      c.set('principal', admission.principal)
      return next()
    }
    if (authenticate.person(headers) !== null) {
      return refuse(c, {
        status: 403,
        code: 'agents_only',
        message: 'An agent reads the outcome of its own calls here. People read /api/v1/approvals/{id}.',
      })
    }
    return unauthenticated(c, 'an agent', 'Send the token that this agent uses for /mcp.')
  }
}

function unauthenticated(c: Context<ApiEnv>, whose: string, remedy: string) {
  c.header('WWW-Authenticate', 'Bearer realm="holdpoint"')
  const message = c.req.raw.headers.has('authorization')
    ? `This token is unknown or revoked, or not the token of ${whose}.`
    : `This needs the token of ${whose}.`
  return refuse(c, { status: 401, code: 'unauthenticated', message, remedy })
}
