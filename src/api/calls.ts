/** How a call ended, for the agent that made it. The calls of others answer exactly like calls that never were. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import {
  type Annotation,
  type Approval,
  isAcceptedAsTask,
  type Outcome,
  successorOf,
} from '../domain/approval.ts'
import { parseApprovalId } from '../domain/approval-id.ts'
import { editForAgent } from '../domain/edited-text.ts'
import type { Evidence } from '../domain/evidence.ts'
import { outcomeText } from '../domain/present.ts'
import type { Principal } from '../domain/principal.ts'
import type { Timings } from '../domain/timings.ts'
import { unsentForAgent } from '../domain/unsent.ts'
import type { Reading } from '../ports/ledger.ts'
import { isUnreadOf, NewerForm } from '../ports/ledger-faults.ts'
import type { ReadingLedger } from './approvals.ts'
import type { ApiError } from './errors.ts'
import { type ApiEnv, refuse } from './guard.ts'
import { notFound, refusals } from './invalid.ts'
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
  operationId: 'showCall',
  summary: 'The outcome of one of your own calls',
  security: [{ agent: [] }],
  request: { params: ticketParam },
  responses: {
    200: { description: 'The outcome so far', content: { 'application/json': { schema: callView } } },
    ...refusals,
    ...notFound,
  },
})

export function callRoutes(deps: { ledger: ReadingLedger; timings: Timings }) {
  const { ledger, timings } = deps
  const app = new OpenAPIHono<ApiEnv>()
  app.openAPIRegistry.registerPath(callRoute)
  // Not through `app.openapi`: the reply must leave as the very bytes the upstream sent, not parsed and written anew.
  app.get('/:id', async (c) => {
    const id = parseApprovalId(c.req.param('id'))
    const first = id.ok ? await unlessForeign(ledger.get(id.value), c.get('principal')) : null
    if (first === null || !isOf(c.get('principal'), first.approval)) return refuse(c, noSuchCall)
    const approval = await followed(ledger, first.approval)
    const successor = approval.id === first.approval.id ? null : approval.id
    const head = JSON.stringify({ ...callOf(approval, timings), id: first.approval.id, successor })
    // The name that a server gives a task is not for agents: they have one of ours.
    if (approval.status !== 'settled' || approval.outcome.kind !== 'answered' || isAcceptedAsTask(approval)) {
      return c.body(head, 200, { 'Content-Type': 'application/json' })
    }
    const text = await ledger.replyText(approval.id)
    const { kind } = approval.outcome.reply
    const body = text === null ? head : `${head.slice(0, -1)},"reply":{"${kind}":${text}}}`
    return c.body(body, 200, { 'Content-Type': 'application/json' })
  })
  return app
}

/** Each link is a change of the rule while the call waited; nobody changes it that often. */
const SUCCESSORS_MAX = 100

/** The approval that stands for the call now: where the rule changed, the one that took its place. */
async function followed(ledger: ReadingLedger, first: Approval): Promise<Approval> {
  let approval = first
  for (let link = 0; link < SUCCESSORS_MAX; link++) {
    const next = approval.status === 'settled' ? successorOf(approval) : null
    const reading = next === null ? null : await ledger.get(next)
    if (reading === null) return approval
    approval = reading.approval
  }
  return approval
}

/** @throws NewerForm only to its owner: for others it is not there. */
async function unlessForeign(
  reading: Promise<Reading | null>,
  principal: Principal,
): Promise<Reading | null> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof NewerForm && !isUnreadOf(error.unread, principal)) return null
    throw error
  }
}

/** A name that has passed to another owner is another principal: results go only to the one that asked. */
const isOf = (principal: Principal, { asked: { requester } }: Approval) =>
  requester.name === principal.name && requester.owner === principal.owner

function callOf(approval: Approval, timings: Timings): Omit<CallView, 'successor'> {
  const { id, status, like } = approval
  const about = {
    predecessor: approval.predecessor?.id ?? null,
    like: like === null ? null : { id: like.id, differs: [...like.differs] },
    edited: editedOf(approval),
  }
  if (approval.status !== 'settled') {
    const advice =
      'It is not over. Do not change the call: the very same call attaches to this one and waits.'
    const open = { outcome: null, askedAgainAs: null, evidence: null, coolDownUntil: null }
    return { id, status, ...open, ...about, retry: 'same', advice }
  }
  const { outcome, settledAtMs } = approval
  return {
    id,
    status,
    outcome: { kind: outcome.kind, text: textForAgent(outcome) },
    ...adviceOn(outcome),
    ...about,
    askedAgainAs: outcome.kind === 'indeterminate' ? outcome.successor : null,
    evidence: outcome.kind === 'indeterminate' ? summaryOf(outcome.evidence) : null,
    coolDownUntil: outcome.kind === 'rejected' ? iso(settledAtMs + timings.coolDownMs) : null,
  }
}

function editedOf(approval: Approval): CallView['edited'] {
  const edit = editForAgent(approval)
  return edit === null ? null : { ...edit, differs: [...edit.differs] }
}

/** Texts of the network and of answers that came too late are for people. */
const summaryOf = ({ send, after, lateReplies, unsent }: Evidence): CallView['evidence'] => ({
  progress: send.progress,
  httpStatus: send.httpStatus,
  wasReachableAfterwards: after?.isReachable ?? null,
  lateReplies: lateReplies.length,
  isProvedUnsent: unsent !== null,
})

/** What failed on our side, and what people noted about it, is for people. */
function textForAgent(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'not_sent':
      return `It was approved, but it could not be sent: ${unsentForAgent(outcome.reason)}. Certainly nothing was sent.`
    case 'indeterminate':
      return 'It was approved and perhaps sent; no answer was noted in time, and it will not be sent again.'
    case 'answered':
    case 'rejected':
    case 'expired':
    case 'lapsed':
    case 'cancelled':
    case 'invalidated':
      return outcomeText(outcome)
  }
}

/** The same three words as in the `_meta` of an answer to the call itself. */
function adviceOn(outcome: Outcome): Pick<CallView, 'retry' | 'advice'> {
  switch (outcome.kind) {
    case 'answered':
      if (outcome.reply.isTask === true) {
        const advice =
          'It was sent once, and the server accepted it as a task of its own. Follow the task that you were given for this call.'
        return { retry: 'never', advice }
      }
      return outcome.reply.kind === 'result'
        ? { retry: 'never', advice: 'It has run. Calling it once more would be another call.' }
        : {
            retry: 'changed',
            advice: 'It was sent once, and the server answered with an error. Read it before you call again.',
          }
    case 'rejected':
      return { retry: 'never', advice: 'A person said no. Tell your user; do not try another way around it.' }
    case 'cancelled':
      return { retry: 'never', advice: 'A person withdrew it. Ask your user before you call it again.' }
    case 'indeterminate':
      return adviceOnUnknown(outcome.annotations.at(-1)?.finding)
    case 'invalidated':
      if (outcome.forbidden) {
        return { retry: 'never', advice: 'The policy forbids it now; the same call is refused unseen.' }
      }
      return {
        retry: 'changed',
        advice: 'List the tools again and check the call; people are then asked anew.',
      }
    case 'expired':
    case 'lapsed':
    case 'not_sent':
      return {
        retry: 'same',
        advice: 'If it is still needed, call it again later: people are then asked anew.',
      }
  }
}

function adviceOnUnknown(finding: Annotation['finding'] | undefined): Pick<CallView, 'retry' | 'advice'> {
  switch (finding) {
    case undefined:
      return { retry: 'never', advice: 'Perhaps it happened. It is refused until a person has looked.' }
    case 'happened':
      return { retry: 'never', advice: 'A person found that it happened.' }
    case 'did_not_happen':
      return { retry: 'same', advice: 'A person found that it did not happen. The same call asks again.' }
  }
}
