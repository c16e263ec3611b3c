/** Approvals for people: read them all, decide those one may decide. Who may is checked by the services, at the moment of the act. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Approval, Status } from '../domain/approval.ts'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import { mayReadReply } from '../domain/authority.ts'
import { grantOffer, mayGrant } from '../domain/grant.ts'
import { yesOf } from '../domain/present.ts'
import type { Result } from '../domain/result.ts'
import type { Timings } from '../domain/timings.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { DecideRefusal, People } from '../services/decide.ts'
import { type Act, noSuchApproval, refusalToError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput, tooLate, unexplained } from './invalid.ts'
import {
  annotationBody,
  approvalDetail,
  approvalPage,
  askAgainBody,
  cancelBody,
  changed,
  decisionBody,
  editBody,
  extensionBody,
  listQuery,
  showQuery,
  takeBackBody,
  ticketParam,
} from './schemas.ts'
import { iso, lookupsView, noLookups, toRow, toView } from './view.ts'

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listApprovals',
  summary: 'Approvals, newest first',
  security,
  request: { query: listQuery },
  responses: {
    200: { description: 'One page', content: json(approvalPage) },
    ...refusalsOfInput,
    ...notFound,
  },
})

const showRoute = createRoute({
  method: 'get',
  path: '/{id}',
  operationId: 'showApproval',
  summary: 'One approval with everything an approver needs',
  security,
  request: { params: ticketParam, query: showQuery },
  responses: {
    200: { description: 'The approval', content: json(approvalDetail) },
    ...refusalsOfInput,
    ...notFound,
  },
})

const decideRoute = createRoute({
  method: 'post',
  path: '/{id}/decision',
  operationId: 'decideApproval',
  summary: 'Approve or reject what was shown',
  security,
  request: { params: ticketParam, body: { required: true, content: json(decisionBody) } },
  responses: {
    200: { description: 'Decided', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
    ...unexplained,
    ...tooLate,
  },
})

const editRoute = createRoute({
  method: 'post',
  path: '/{id}/edit',
  operationId: 'editApproval',
  summary: 'Propose other arguments; everybody then decides about these',
  security,
  request: { params: ticketParam, body: { required: true, content: json(editBody) } },
  responses: {
    200: { description: 'Edited', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
    ...tooLate,
  },
})

const extendRoute = createRoute({
  method: 'post',
  path: '/{id}/deadline',
  operationId: 'extendApproval',
  summary: 'Move the deadline to a later time, as an approver or as the owner of the agent',
  security,
  request: { params: ticketParam, body: { required: true, content: json(extensionBody) } },
  responses: {
    200: { description: 'Moved', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
    ...tooLate,
  },
})

const takeBackRoute = createRoute({
  method: 'post',
  path: '/{id}/take-back',
  operationId: 'takeBackYes',
  summary: 'Take your own yes back, while others are still missing',
  security,
  request: { params: ticketParam, body: { content: json(takeBackBody) } },
  responses: {
    200: { description: 'Taken back', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
    ...tooLate,
  },
})

const cancelRoute = createRoute({
  method: 'post',
  path: '/{id}/cancel',
  operationId: 'cancelApproval',
  summary: 'Withdraw it, as an approver or as the owner of the agent',
  security,
  request: { params: ticketParam, body: { content: json(cancelBody) } },
  responses: {
    200: { description: 'Withdrawn', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
    ...tooLate,
  },
})

const annotateRoute = createRoute({
  method: 'post',
  path: '/{id}/annotation',
  operationId: 'annotateApproval',
  summary: 'Say what really happened to a call whose end nobody knows',
  security,
  request: { params: ticketParam, body: { required: true, content: json(annotationBody) } },
  responses: {
    200: { description: 'Noted', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
  },
})

const askAgainRoute = createRoute({
  method: 'post',
  path: '/{id}/ask-again',
  operationId: 'askApprovalAgain',
  summary: 'Ask again about a call whose end nobody knows; answers with the new approval',
  security,
  request: { params: ticketParam, body: { content: json(askAgainBody) } },
  responses: {
    200: { description: 'The new approval, which waits for a decision', content: json(changed) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
  },
})

export type ReadingLedger = Pick<
  Ledger,
  'nowMs' | 'get' | 'list' | 'replyText' | 'lateReplies' | 'auditTrail' | 'waitingNodes'
>

export function approvalRoutes(deps: { ledger: ReadingLedger; people: People; timings: Timings }) {
  const { ledger, people, timings } = deps
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(listRoute, async (c) => {
    const { status, mine, limit, after } = c.req.valid('query')
    const cursor = after === undefined ? null : parseApprovalId(after)
    if (cursor !== null && !cursor.ok) {
      return c.json(toBody({ ...noSuchApproval, field: 'after' }), noSuchApproval.status)
    }
    const statuses: readonly Status[] | null =
      status === undefined ? null : typeof status === 'string' ? [status] : status
    const approvals = await ledger.list({
      ...{ statuses, principal: null, limit, after: cursor?.value ?? null },
      ...(mine === undefined ? {} : { owner: c.get('person').id }),
    })
    const last = approvals.length < limit ? undefined : approvals.at(-1)
    const now = iso(await ledger.nowMs())
    return c.json({ now, approvals: approvals.map(toRow), next: last?.id ?? null }, 200)
  })

  app.openapi(showRoute, async (c) => {
    const id = parseApprovalId(c.req.valid('param').id)
    const reading = id.ok ? await ledger.get(id.value) : null
    if (reading === null) return c.json(toBody(noSuchApproval), noSuchApproval.status)
    const { approval, nowMs } = reading
    const isUnsettled = approval.status !== 'settled'
    // What the upstream said belongs to the requester: its owner and those who may decide see it, others do not.
    const mayRead = mayReadReply(c.get('person'), approval, nowMs)
    const isReplyWanted = c.req.valid('query').include === 'reply' && mayRead
    const audit = await ledger.auditTrail(approval.id)
    const detail = {
      approval: toView(approval),
      now: iso(nowMs),
      isRequesterWaiting: isUnsettled && (await ledger.waitingNodes(approval.id)).length > 0,
      startWithinMs: timings.startByMs,
      yes: yesOf(approval, c.get('person'), nowMs),
      mayGrant: grantOffer(approval) !== null && mayGrant(c.get('person'), approval, nowMs),
      audit: audit.map(({ payload, hash }) => ({ payload, hash })),
      lookups: mayRead ? lookupsView(approval) : noLookups,
      replyText: isReplyWanted ? await ledger.replyText(approval.id) : null,
      lateReplies: isReplyWanted ? await lateReplies(approval.id) : [],
    }
    return c.json(detail, 200)
  })

  app.openapi(decideRoute, async (c) => {
    const { decision, digest, reason, grant, via } = c.req.valid('json')
    const person = c.get('person')
    const wish = grant === undefined ? {} : { grant: { uses: grant.uses, durationMs: grant.seconds * 1_000 } }
    const done = await act('decide', c.req.valid('param').id, (id) =>
      people.decide({ id, person, answer: decision, digest, reason: reason ?? null, via, ...wish }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(editRoute, async (c) => {
    const { arguments: argumentsText, digest, reason, via } = c.req.valid('json')
    const person = c.get('person')
    const done = await act('edit', c.req.valid('param').id, (id) =>
      people.edit({ id, person, argumentsText, digest, reason: reason ?? null, via }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(extendRoute, async (c) => {
    const { until, reason, via } = c.req.valid('json')
    const person = c.get('person')
    const expiresAtMs = Date.parse(until)
    const done = await act('extend', c.req.valid('param').id, (id) =>
      people.extend({ id, person, expiresAtMs, reason: reason ?? null, via }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(takeBackRoute, async (c) => {
    const { reason, via } = c.req.valid('json')
    const person = c.get('person')
    const done = await act('decide', c.req.valid('param').id, (id) =>
      people.takeBack({ id, person, reason: reason ?? null, via }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(cancelRoute, async (c) => {
    const { reason } = c.req.valid('json')
    const person = c.get('person')
    const done = await act('cancel', c.req.valid('param').id, (id) =>
      people.cancel({ id, person, reason: reason ?? null }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(annotateRoute, async (c) => {
    const { finding, note } = c.req.valid('json')
    const person = c.get('person')
    const done = await act('annotate', c.req.valid('param').id, (id) =>
      people.annotate({ id, person, finding, note: note ?? null }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  app.openapi(askAgainRoute, async (c) => {
    const { reason, via } = c.req.valid('json')
    const person = c.get('person')
    const done = await act('ask_again', c.req.valid('param').id, (id) =>
      people.askAgain({ id, person, reason: reason ?? null, via }),
    )
    return done.ok ? c.json({ approval: toView(done.value) }, 200) : c.json(done.body, done.status)
  })

  const lateReplies = async (id: ApprovalId) =>
    (await ledger.lateReplies(id)).map(({ atMs, text }) => ({ at: iso(atMs), text }))

  async function act(
    what: Act,
    ticket: string,
    perform: (id: ApprovalId) => Promise<Result<Approval, DecideRefusal>>,
  ) {
    const id = parseApprovalId(ticket)
    if (!id.ok) return { ok: false, body: toBody(noSuchApproval), status: noSuchApproval.status } as const
    const done = await perform(id.value)
    if (done.ok) return done
    const approval = done.error.reason === 'unauthorised' ? await ledger.get(id.value) : null
    const error = refusalToError(done.error, what, approval?.approval ?? null)
    return { ok: false, body: toBody(error), status: error.status } as const
  }

  return app
}
