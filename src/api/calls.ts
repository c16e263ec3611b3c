/** How a call ended, for the agent that made it. The calls of others answer exactly like calls that never were. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Approval } from '../domain/approval.ts'
import { parseApprovalId } from '../domain/approval-id.ts'
import { outcomeText } from '../domain/present.ts'
import type { Principal } from '../domain/principal.ts'
import type { Timings } from '../domain/timings.ts'
import type { ReadingLedger } from './approvals.ts'
import type { ApiError } from './errors.ts'
import { type ApiEnv, refuse } from './guard.ts'
import { refused } from './invalid.ts'
import { type CallView, callView, ticketParam } from './schemas.ts'
import { iso } from './view.ts'

const noSuchCall: ApiError = {
  status: 404,
  code: 'not_found',
  message: 'There is no call with this ticket among yours.',
}

const callRoute = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'The outcome of one of your own calls',
  security: [{ agent: [] }],
  request: { params: ticketParam },
  responses: {
    200: { description: 'The outcome so far', content: { 'application/json': { schema: callView } } },
    default: refused,
  },
})

export function callRoutes(deps: { ledger: ReadingLedger; timings: Timings }) {
  const { ledger, timings } = deps
  const app = new OpenAPIHono<ApiEnv>()
  app.openAPIRegistry.registerPath(callRoute)
  // Not through `app.openapi`: the reply must leave as the very bytes the upstream sent, not parsed and written anew.
  app.get('/:id', async (c) => {
    const id = parseApprovalId(c.req.param('id'))
    const reading = id.ok ? await ledger.get(id.value) : null
    if (reading === null || !isOf(c.get('principal'), reading.approval)) return refuse(c, noSuchCall)
    const { approval } = reading
    const head = JSON.stringify(callOf(approval, timings))
    if (approval.status !== 'settled' || approval.outcome.kind !== 'answered') {
      return c.body(head, 200, { 'Content-Type': 'application/json' })
    }
    const text = await ledger.replyText(approval.id)
    const { kind } = approval.outcome.reply
    const body = text === null ? head : `${head.slice(0, -1)},"reply":{"${kind}":${text}}}`
    return c.body(body, 200, { 'Content-Type': 'application/json' })
  })
  return app
}

/** A name that has passed to another owner is another principal: results go only to the one that asked. */
const isOf = (principal: Principal, { asked: { requester } }: Approval) =>
  requester.name === principal.name && requester.owner === principal.owner

function callOf(approval: Approval, timings: Timings): CallView {
  const { id, status } = approval
  if (approval.status !== 'settled') {
    const text = 'It is not over. Do not change the call: the very same call attaches to this one and waits.'
    return { id, status, outcome: null, retry: { may: 'wait', notBefore: null, text } }
  }
  const { outcome } = approval
  return {
    id,
    status,
    outcome: { kind: outcome.kind, text: outcomeText(outcome) },
    retry: retryOf(approval, timings),
  }
}

function retryOf(
  { outcome, settledAtMs }: Extract<Approval, { status: 'settled' }>,
  timings: Timings,
): CallView['retry'] {
  switch (outcome.kind) {
    case 'answered':
      return { may: 'no', notBefore: null, text: 'It has run. Calling it once more would be another call.' }
    case 'rejected':
      return {
        may: 'later',
        notBefore: iso(settledAtMs + timings.coolDownMs),
        text: 'A person said no. Tell your user; do not try another way around it.',
      }
    case 'indeterminate': {
      const finding = outcome.annotations.at(-1)?.finding
      if (finding === undefined) {
        const text = 'Perhaps it happened. It is refused until a person has looked.'
        return { may: 'no', notBefore: null, text }
      }
      return finding === 'happened'
        ? { may: 'no', notBefore: null, text: 'A person found that it happened.' }
        : { may: 'yes', notBefore: null, text: 'A person found that it did not happen.' }
    }
    case 'expired':
    case 'lapsed':
    case 'cancelled':
    case 'invalidated':
    case 'not_sent':
      return { may: 'yes', notBefore: null, text: 'Nothing was sent. The same call would ask again.' }
  }
}
