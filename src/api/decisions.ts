/** The decision log for people: operators and approvers see all of it, others what their own agents did. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Person } from '../domain/principal.ts'
import type { DecisionLog } from '../ports/decision-log.ts'
import { decisionPage, decisionsQuery, toLine } from './decision-schemas.ts'
import type { ApiEnv } from './guard.ts'
import { notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import { iso } from './view.ts'

export interface DecisionsDeps {
  readonly log: Pick<DecisionLog, 'list'>
  /** Others see the calls of agents that they answer for. */
  maySeeAll(person: Person): boolean
  nowMs(): Promise<number>
}

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listDecisions',
  summary: 'What the policies said about calls, newest first',
  security: [{ person: [] }],
  request: { query: decisionsQuery },
  responses: {
    200: { description: 'One page', content: { 'application/json': { schema: decisionPage } } },
    ...refusalsOfInput,
    ...notFound,
  },
})

/** Without a wish: what everything else is compared with, too. */
const USUAL_SPAN_MS = 7 * 24 * 60 * 60 * 1000

export function decisionRoutes({ log, maySeeAll, nowMs }: DecisionsDeps) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(listRoute, async (c) => {
    const { since, server, agent, verdict, tried, limit, before } = c.req.valid('query')
    const person = c.get('person')
    const now = await nowMs()
    const lines = await log.list({
      fromMs: since === undefined ? now - USUAL_SPAN_MS : Date.parse(since),
      ...{ server: server ?? null, agent: agent ?? null, verdict: verdict ?? null },
      owner: maySeeAll(person) ? null : person.id,
      ...{ isTried: tried === 'true', limit, before: before ?? null },
    })
    const last = lines.length < limit ? undefined : lines.at(-1)
    return c.json({ now: iso(now), decisions: lines.map(toLine), next: last?.id ?? null }, 200)
  })

  return app
}
