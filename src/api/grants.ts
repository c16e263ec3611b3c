/** Grants for people: what is allowed beyond single calls, and its end. Who may end one is checked by the services. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { parseApprovalId } from '../domain/approval-id.ts'
import type { Grants } from '../services/grants.ts'
import type { ReadingLedger } from './approvals.ts'
import { type ApiError, refusalToError, toBody } from './errors.ts'
import {
  endGrantBody,
  grantDetail,
  grantEnded,
  grantPage,
  grantsQuery,
  toGrantView,
} from './grant-schemas.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import { ticketParam } from './schemas.ts'
import { iso } from './view.ts'

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listGrants',
  summary: 'Grants that stand, newest first; or all',
  security,
  request: { query: grantsQuery },
  responses: {
    200: { description: 'The grants', content: json(grantPage) },
    ...refusalsOfInput,
    ...notFound,
  },
})

const showRoute = createRoute({
  method: 'get',
  path: '/{id}',
  operationId: 'showGrant',
  summary: 'One grant, by the approval that it was given with, and what it covered',
  security,
  request: { params: ticketParam },
  responses: {
    200: { description: 'The grant', content: json(grantDetail) },
    ...refusalsOfInput,
    ...notFound,
  },
})

const endRoute = createRoute({
  method: 'post',
  path: '/{id}/revoke',
  operationId: 'revokeGrant',
  summary: 'Ends a grant: nothing begins under it any more',
  security,
  request: { params: ticketParam, body: { content: json(endGrantBody) } },
  responses: {
    200: { description: 'It is over', content: json(grantEnded) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
  },
})

const noSuchGrant: ApiError = {
  status: 404,
  code: 'not_found',
  message: 'There is no grant with this ticket.',
  remedy: 'A grant has the ticket of the approval that it was given with; /api/v1/grants lists them.',
}

export interface GrantDeps {
  readonly grants: Grants
  readonly ledger: Pick<ReadingLedger, 'get'>
}

export function grantRoutes({ grants, ledger }: GrantDeps) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(listRoute, async (c) => {
    const { all, limit } = c.req.valid('query')
    const { nowMs, grants: found } = await grants.list({ isStanding: all === 'false', limit })
    return c.json({ now: iso(nowMs), grants: found.map((seen) => toGrantView(seen, nowMs)) }, 200)
  })

  app.openapi(showRoute, async (c) => {
    const id = parseApprovalId(c.req.valid('param').id)
    const found = id.ok ? await grants.find(id.value) : null
    if (found === null) return c.json(toBody(noSuchGrant), noSuchGrant.status)
    const { nowMs, seen } = found
    const uses = await grants.usesOf(seen.grant.id)
    return c.json({ now: iso(nowMs), grant: toGrantView(seen, nowMs), uses: [...uses] }, 200)
  })

  app.openapi(endRoute, async (c) => {
    const id = parseApprovalId(c.req.valid('param').id)
    if (!id.ok || (await grants.find(id.value)) === null)
      return c.json(toBody(noSuchGrant), noSuchGrant.status)
    const { reason } = c.req.valid('json')
    const ended = await grants.end({ id: id.value, person: c.get('person'), reason: reason ?? null })
    if (!ended.ok) {
      const approval = (await ledger.get(id.value))?.approval ?? null
      const error = refusalToError(ended.error, 'end_grant', approval)
      return c.json(toBody(error), error.status)
    }
    const now = await grants.find(id.value)
    if (now === null) return c.json(toBody(noSuchGrant), noSuchGrant.status)
    return c.json({ grant: toGrantView(now.seen, now.nowMs) }, 200)
  })

  return app
}
