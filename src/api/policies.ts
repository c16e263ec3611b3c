/** Policies for people: every revision of every server; operators put others in force. Who may is checked by the services. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { CLI } from '../domain/command-line.ts'
import { type Revision, type RevisionHead, textDigest } from '../domain/revision.ts'
import type { PolicyChanges, PolicyRefusal, Wish } from '../services/policy-changes.ts'
import type { Suggest } from '../services/suggest.ts'
import type { DecisionsDeps } from './decisions.ts'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import {
  historyQuery,
  numberParam,
  policyPreview,
  policyPut,
  policyRequest,
  policyWish,
  type RevisionRow,
  revisionPage,
  revisionView,
  serverParam,
  simulationRequest,
  type WishBody,
} from './policy-schemas.ts'
import { simulationView, toSimulation } from './simulation-schemas.ts'
import { suggestedView, suggestRequest, toSuggested } from './suggestion-schemas.ts'
import { iso } from './view.ts'

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })
const responses = { ...refusalsOfInput, ...notFound, ...conflicts }

const historyRoute = createRoute({
  method: 'get',
  path: '/{server}',
  operationId: 'listPolicyRevisions',
  summary: 'Every revision that was in force, newest first; the first one is in force',
  security,
  request: { params: serverParam, query: historyQuery },
  responses: { 200: { description: 'One page', content: json(revisionPage) }, ...responses },
})

const showRoute = createRoute({
  method: 'get',
  path: '/{server}/{number}',
  operationId: 'showPolicyRevision',
  summary: 'One revision with its text',
  security,
  request: { params: numberParam },
  responses: { 200: { description: 'The revision', content: json(revisionView) }, ...responses },
})

const previewRoute = createRoute({
  method: 'post',
  path: '/{server}/preview',
  operationId: 'previewPolicy',
  summary: 'What would become of the open calls; nothing is changed',
  security,
  request: { params: serverParam, body: { required: true, content: json(policyWish) } },
  responses: { 200: { description: 'The effect', content: json(policyPreview) }, ...responses },
})

const simulateRoute = createRoute({
  method: 'post',
  path: '/{server}/simulate',
  operationId: 'simulatePolicy',
  summary: 'What it would have said about calls of the past; nothing is changed',
  security,
  request: { params: serverParam, body: { required: true, content: json(simulationRequest) } },
  responses: { 200: { description: 'The effect', content: json(simulationView) }, ...responses },
})

const putRoute = createRoute({
  method: 'post',
  path: '/{server}/put',
  operationId: 'putPolicyInForce',
  summary: 'Puts a text, or an earlier revision, in force',
  security,
  request: { params: serverParam, body: { required: true, content: json(policyRequest) } },
  responses: { 200: { description: 'In force', content: json(policyPut) }, ...responses },
})

const suggestRoute = createRoute({
  method: 'post',
  path: '/{server}/suggest',
  operationId: 'suggestRules',
  summary: 'Rules that follow from what people decided; nothing is changed',
  security,
  request: { params: serverParam, body: { required: true, content: json(suggestRequest) } },
  responses: { 200: { description: 'The suggestions', content: json(suggestedView) }, ...responses },
})

const notYours = {
  status: 403,
  code: 'not_an_approver',
  message: 'Only operators and approvers see what others decided.',
} as const satisfies ApiError

export interface PolicyRoutesDeps {
  readonly policies: PolicyChanges
  readonly suggest: Suggest
  /** Who may see what others decided. */
  readonly decisions: Pick<DecisionsDeps, 'maySeeAll'>
}

export function policyRoutes({ policies, suggest, decisions }: PolicyRoutesDeps) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(historyRoute, async (c) => {
    const { server } = c.req.valid('param')
    const { limit, before } = c.req.valid('query')
    const found = await policies.history(server, limit, before ?? null)
    if (!found.ok) {
      const error = policyError(found.error)
      return c.json(toBody(error), error.status)
    }
    const last = found.value.length < limit ? undefined : found.value.at(-1)
    return c.json({ revisions: found.value.map(toRow), next: last?.number ?? null }, 200)
  })

  app.openapi(showRoute, async (c) => {
    const { server, number } = c.req.valid('param')
    const found = await policies.show(server, number === 'in-force' ? null : number)
    if (found.ok) return c.json(toWhole(found.value), 200)
    const error = policyError(found.error)
    return c.json(toBody(error), error.status)
  })

  app.openapi(previewRoute, async (c) => {
    const { server } = c.req.valid('param')
    const seen = await policies.preview(server, wishOf(c.req.valid('json')))
    if (!seen.ok) {
      const error = policyError(seen.error)
      return c.json(toBody(error), error.status)
    }
    const { inForce, effects, isMore, recent } = seen.value
    const view = recent === null ? null : toSimulation(recent)
    return c.json({ inForce, effects: [...effects], isMore, recent: view }, 200)
  })

  app.openapi(simulateRoute, async (c) => {
    const { server } = c.req.valid('param')
    const { wish, spanMs } = c.req.valid('json')
    const seen = await policies.simulate(server, wishOf(wish), spanMs)
    if (seen.ok) return c.json(toSimulation(seen.value), 200)
    const error = policyError(seen.error)
    return c.json(toBody(error), error.status)
  })

  app.openapi(putRoute, async (c) => {
    const { server } = c.req.valid('param')
    const { inForce, wish } = c.req.valid('json')
    const put = await policies.put(server, wishOf(wish), inForce, c.get('person'))
    if (put.ok) return c.json(put.value, 200)
    const error = policyError(put.error)
    return c.json(toBody(error), error.status)
  })

  app.openapi(suggestRoute, async (c) => {
    const { server } = c.req.valid('param')
    const { spanMs, ...terms } = c.req.valid('json')
    if (!decisions.maySeeAll(c.get('person'))) return c.json(toBody(notYours), notYours.status)
    const found = await suggest(server, spanMs, terms)
    if (found.ok) return c.json(toSuggested(server, found.value), 200)
    const error = policyError(found.error)
    return c.json(toBody(error), error.status)
  })

  return app
}

const wishOf = (wish: WishBody): Wish =>
  'text' in wish ? { kind: 'text', ...wish } : { kind: 'rollback', number: wish.rollback }

function toRow({ approvers, ...head }: RevisionHead): RevisionRow {
  const { server, number, source, digest, putBy, putAtMs } = head
  return {
    ...{ server, number, source, digest, putBy, putAt: iso(putAtMs) },
    approvers: { ...approvers, groups: [...approvers.groups], people: [...approvers.people] },
  }
}

const toWhole = ({ text, ...revision }: Revision) => ({
  ...toRow({ ...revision, digest: textDigest(text) }),
  text,
})

export function policyError(refusal: PolicyRefusal): ApiError {
  switch (refusal.reason) {
    case 'no_such_server':
      return {
        status: 404,
        code: 'no_such_server',
        message: `There is no such server. There are: ${refusal.servers.join(', ')}.`,
      }
    case 'no_such_revision':
      return {
        status: 404,
        code: 'no_such_revision',
        message:
          refusal.number < 1
            ? `What is in force for ${refusal.server} is the first one: there is nothing to go back to.`
            : `${refusal.server} has no revision ${refusal.number}.`,
        remedy: `\`${CLI} policy list ${refusal.server}\` shows what there is.`,
      }
    case 'not_an_operator':
      return {
        status: 403,
        code: 'not_an_operator',
        message: 'Only operators put policies in force, and you are not one of them.',
        remedy: 'Operators are named in holdpoint.yaml: operators: [mina]',
      }
    case 'unreadable':
      return { status: 400, code: 'unreadable_policy', message: refusal.problem, field: 'text' }
    case 'undecidable':
      return { status: 400, code: 'undecidable_policy', message: refusal.problem, field: 'text' }
    case 'moved_on': {
      const { inForce } = refusal
      const now = inForce === null ? 'nothing is' : `revision ${inForce.number} is`
      return {
        status: 409,
        code: 'moved_on',
        message: `Another policy came into force in the meantime: ${now} in force now. Nothing was changed.`,
        remedy: 'Look at the effect again.',
      }
    }
    case 'already_in_force':
      return {
        status: 409,
        code: 'already_in_force',
        message: `Revision ${refusal.number} is in force already.`,
      }
  }
}
