/**
 * What an agent is told, in one place: a text it can act on, and the same as data in `_meta`. "Not executed" is said only
 * where it is true, and nothing from inside the gateway is.
 */

import { isRuleActor } from '../../domain/actor.ts'
import {
  type Approval,
  type Decision,
  decidersOf,
  isEdited,
  type Outcome,
  type Settled,
} from '../../domain/approval.ts'
import type { JsonObject } from '../../domain/canonical.ts'
import { editForAgent } from '../../domain/edited-text.ts'
import { yesesWanted } from '../../domain/quorum.ts'
import { namesText } from '../../domain/quorum-text.ts'
import { type Stop, scopeText } from '../../domain/stop.ts'
import { type Era, META_APPROVAL } from '../../domain/tool-call.ts'
import type { AskRefusal } from '../../services/ask.ts'
import { mergeObjects, rawMember } from '../raw-json.ts'
import { withEdit } from './edited-reply.ts'
import { type Answer, errorAnswer, httpCode, type Id, INVALID_PARAMS, type Refusal, refusal } from './rpc.ts'
import { newerFormText } from './unavailable.ts'
import { askedText } from './waiting-words.ts'

/** What to do with this call: let it be, send it again as it is, or send a different one. */
type Retry = 'never' | 'same' | 'changed'

interface Told {
  readonly text: string
  readonly retry: Retry
  readonly details?: JsonObject
}

const noDetour = 'Do not try another way to the same effect.'
const again = 'Call the same tool again with identical arguments'
const tellUser = 'Tell your user.'

/** How an approval ended. `replyText` is what the upstream said, where it did. */
export function settledAnswer(
  approval: Settled,
  replyText: string | null,
  era: Era,
  coolDownMs: number,
): Answer {
  const { outcome } = approval
  if (outcome.kind === 'answered' && replyText !== null) {
    const { kind } = outcome.reply
    const text = kind === 'result' ? withResultType(replyText, era) : replyText
    return { kind, text: isEdited(approval) ? withEdit(text, kind, approval) : text }
  }
  return toolError(approvalMeta(approval), toldOutcome(approval, coolDownMs), era)
}

/** The upstream wants to know more before it acts, and the way the client waits has no room for its question. */
export function questionAnswer(approval: Settled): Answer {
  const text =
    `SENT, ticket ${approval.id}, and NOT DONE so far: the server asks for more input before it goes on, which a task here ` +
    `cannot carry. ${tellUser} A call with everything it needs in its arguments, or without the tasks extension, can succeed.`
  return toolError(approvalMeta(approval), { text, retry: 'changed' }, 'modern')
}

/** The same as one text, for what has no room for more. */
export function settledInWords(approval: Settled, coolDownMs: number): string {
  const { outcome } = approval
  if (outcome.kind !== 'answered') return toldOutcome(approval, coolDownMs).text
  return outcome.reply.kind === 'error' || outcome.reply.isError
    ? `${approval.id} was approved and sent; the server answered with an error.`
    : `${approval.id} was approved and has run.`
}

function toldOutcome({ id, outcome, settledAtMs }: Settled, coolDownMs: number): Told {
  switch (outcome.kind) {
    case 'answered':
      return {
        text: `EXECUTED, ticket ${id}, but the result is not available here. Do not call it again. ${tellUser}`,
        retry: 'never',
      }
    case 'rejected': {
      const { by, reason } = outcome.decision
      return {
        text:
          `NOT EXECUTED. ${by} rejected this call${reason === null ? '' : ` and said: "${reason}"`} (ticket ${id}). ` +
          `Do not repeat it; until ${iso(settledAtMs + coolDownMs)} a repeat is refused unseen. ${noDetour} ` +
          'Continue without it, or ask your user what to do instead.',
        retry: 'never',
        details: { decidedBy: by, reason, coolDownUntil: iso(settledAtMs + coolDownMs) },
      }
    }
    case 'expired':
      return {
        text:
          `NOT EXECUTED. Nobody decided in time about ticket ${id}, and time-out never approves. ` +
          `${tellUser} If it is still needed, the same call asks again. ${noDetour}`,
        retry: 'same',
      }
    case 'lapsed':
      return {
        text:
          `NOT EXECUTED. ${namesText(decidersOf(outcome.decision))} said yes to ticket ${id}, but nobody was waiting for the result in time, ` +
          'and an old yes is not used. If it is still needed, the same call asks again; then keep waiting for it.',
        retry: 'same',
        details: decidedBy(outcome.decision),
      }
    case 'cancelled':
      if (isRuleActor(outcome.by)) {
        return {
          text:
            `NOT EXECUTED. Ticket ${id} was withdrawn by its rule, because nobody waited for it any more. ${tellUser} ` +
            `If it is still needed, the same call asks again; then keep waiting for it. ${noDetour}`,
          retry: 'same',
          details: { by: outcome.by, reason: outcome.reason },
        }
      }
      return {
        text:
          `NOT EXECUTED. Ticket ${id} was withdrawn by ${outcome.by}` +
          `${outcome.reason === null ? '' : `, who said: "${outcome.reason}"`}. Ask your user before you call it again. ${noDetour}`,
        retry: 'never',
        details: { by: outcome.by, reason: outcome.reason },
      }
    case 'invalidated':
      if (outcome.forbidden) {
        return {
          text:
            `NOT EXECUTED. Ticket ${id} is void: ${outcome.change}. Do not repeat it: the same call is refused unseen now. ` +
            `${noDetour} Continue without it, or tell your user, who can ask an operator to change the policy.`,
          retry: 'never',
          details: { change: outcome.change },
        }
      }
      if (outcome.successor !== null) {
        return {
          text:
            `NOT EXECUTED so far. Ticket ${id} is void: ${outcome.change}. People are asked again as ${outcome.successor}. ` +
            `${again} to wait for that one. ${noDetour}`,
          retry: 'same',
          details: { change: outcome.change, successor: outcome.successor },
        }
      }
      return {
        text:
          `NOT EXECUTED. Ticket ${id} is void: ${outcome.change}. List the tools again, check the call, ` +
          `and if it is still right, call it once more: people are then asked anew. ${noDetour}`,
        retry: 'changed',
        details: { change: outcome.change },
      }
    case 'not_sent':
      return {
        text:
          `NOT EXECUTED, certainly: ticket ${id} was approved, but the call could not be sent to the server, and nothing ` +
          'of it arrived. If it is still needed, the same call asks again.',
        retry: 'same',
        details: decidedBy(outcome.decision),
      }
    case 'indeterminate':
      return indeterminate(id, outcome)
  }
}

function indeterminate(
  id: string,
  { annotations, successor }: Extract<Outcome, { kind: 'indeterminate' }>,
): Told {
  const annotation = annotations.at(-1)
  if (annotation?.finding === 'happened') {
    return {
      text:
        `EXECUTED, ticket ${id}: no answer came back when it was sent, but ${annotation.by} looked and found that it happened. ` +
        `Its result is not available. Do not repeat it. ${tellUser}`,
      retry: 'never',
      details: { finding: annotation.finding, foundBy: annotation.by },
    }
  }
  if (annotation?.finding === 'did_not_happen') {
    return {
      text:
        `NOT EXECUTED, ticket ${id}: no answer came back when it was sent, and ${annotation.by} looked and found that it did ` +
        'not happen. If it is still needed, the same call asks again.',
      retry: 'same',
      details: { finding: annotation.finding, foundBy: annotation.by },
    }
  }
  return {
    text:
      `This call MAY OR MAY NOT have been executed (ticket ${id}): it was sent, and no answer came back. ` +
      `Do not repeat it and do not try another way; a person must look at what happened. ${tellUser}`,
    retry: 'never',
    ...(successor === null ? {} : { details: { successor } }),
  }
}

/**
 * The time to hold is over, the approval goes on.
 * @param waitTool the tool of ours that waits on, where the client lists it
 */
export function waitingAnswer(
  approval: Exclude<Approval, Settled>,
  isRepeat: boolean,
  era: Era,
  waitTool: string | null,
): Answer {
  return toolError(approvalMeta(approval), toldWaiting(approval, isRepeat, waitTool), era)
}

function toldWaiting(approval: Exclude<Approval, Settled>, isRepeat: boolean, waitTool: string | null): Told {
  const { id } = approval
  const waitOn =
    waitTool === null
      ? again
      : `Call ${waitTool} {"ticket":"${id}"}, or the same tool with identical arguments,`
  const { onClientGone } = approval.asking
  const gone =
    onClientGone === 'cancel' ? ' Its rule withdraws it when nobody has waited for it for a while.' : ''
  const next = isRepeat
    ? // Hosts stop an agent after some calls in a row; whoever asked twice and got no decision asks a person next.
      `You have asked before. Stop now, tell your user that ${id} waits for a person, and continue later: ${lowerFirst(waitOn)} to collect the result.`
    : `${waitOn} to wait on and collect the result.`
  switch (approval.status) {
    case 'pending':
      return {
        text:
          `NOT EXECUTED. Waiting for human approval, ticket ${id}. ${next} ${noDetour} ` +
          `${sentence(askedText(approval))} It can be decided until ${iso(approval.expiresAtMs)}.${gone}` +
          changedRule(approval) +
          likeText(approval),
        retry: 'same',
      }
    case 'approved':
      return {
        text:
          `APPROVED by ${namesText(decidersOf(approval.decision))}, but not executed so far, ticket ${id}. It runs while you wait for it, ` +
          `until ${iso(approval.startByMs)}. ${again} to let it run and collect the result. ${noDetour}`,
        retry: 'same',
        details: { ...decidedBy(approval.decision), startBy: iso(approval.startByMs) },
      }
    case 'executing':
      return {
        text:
          `APPROVED by ${namesText(decidersOf(approval.decision))} and SENT, no result so far, ticket ${id}. ${again} to collect the result: ` +
          `it does not run twice. ${noDetour}`,
        retry: 'same',
        details: decidedBy(approval.decision),
      }
  }
}

/** Why the ticket is another one than the agent may have seen before. */
const changedRule = ({ predecessor }: Approval) =>
  predecessor === null
    ? ''
    : predecessor.why === 'unknown_end'
      ? ` It was sent once as ${predecessor.id}, and ${predecessor.difference}; a person asks again with this ticket.`
      : ` The rule changed while ticket ${predecessor.id} waited (${predecessor.difference}), so this ticket took its place.`

/** Impatient agents ask again with a detail changed; then two calls wait where one was meant. */
function likeText({ like }: Approval): string {
  if (like === null) return ''
  return (
    ` When you asked, ${like.id} of yours waited already; this one differs from it in ${like.differs.join(', ')}. If both ` +
    'are not meant, tell your user which one people should deny.'
  )
}

/** The call was not accepted as a new one. */
export function askRefusedAnswer(
  refused: AskRefusal,
  call: { readonly server: string; readonly tool: string; readonly era: Era; readonly coolDownMs: number },
): Answer {
  const { server, tool, era, coolDownMs } = call
  const told = (meta: JsonObject, said: Told) => toolError(meta, said, era)
  const refusedMeta: JsonObject = { status: 'refused', outcome: null, reason: refused.reason }
  switch (refused.reason) {
    case 'unknown_tool':
      return unknownTool(tool)
    case 'cool_down':
      return told(approvalMeta(refused.approval), {
        ...toldOutcome(refused.approval, coolDownMs),
        retry: 'never',
      })
    case 'unresolved':
      return told(approvalMeta(refused.approval), toldOutcome(refused.approval, coolDownMs))
    case 'limited':
      return limitedAnswer({ server, tool, rule: refused.rule, reason: refused.because }, era)
    case 'limits_unavailable':
      return told(refusedMeta, {
        text: 'NOT EXECUTED, and nobody was asked: its limits cannot be counted right now. Try again later.',
        retry: 'same',
      })
    case 'idempotency_key_reused':
      return told(refusedMeta, {
        text:
          'NOT EXECUTED. This idempotency key was already used with another call. ' +
          'Send the arguments of the first call again, or a new key.',
        retry: 'changed',
      })
    case 'newer_form':
      return told(refusedMeta, { text: `NOT EXECUTED. ${newerFormText(refused.unread)}`, retry: 'same' })
    case 'too_many_pending':
      return told(refusedMeta, {
        text:
          `NOT EXECUTED, and nobody was asked: ${refused.pending} of your calls wait for a person already, and ${refused.max} ` +
          `are allowed. Wait until some are decided. ${noDetour}`,
        retry: 'same',
      })
    case 'owner_unknown':
      return told(refusedMeta, {
        text:
          'NOT EXECUTED, and nobody was asked: this call needs the approval of a person, and it is not known which person ' +
          `answers for you, who must not be the one to approve it. ${noDetour} ${tellUser} An operator can name them under ` +
          '`people` in holdpoint.yaml, with what your token says about them under `logins`.',
        retry: 'never',
      })
    case 'upstream_unavailable':
      if (refused.told !== undefined)
        return told(refusedMeta, {
          text: `NOT EXECUTED, and nobody was asked to approve it. ${refused.told} ${tellUser}`,
          retry: 'same',
        })
      return told(refusedMeta, {
        text:
          `NOT EXECUTED, and nobody was asked: the server "${server}" behind this gateway does not answer right now. ` +
          'Try again later; if it stays so, an operator finds the cause in the log of the gateway.',
        retry: 'same',
      })
  }
}

/** The policy says no, without asking anybody. */
export function deniedAnswer(
  denied: {
    readonly server: string
    readonly tool: string
    readonly rule: string
    readonly reason: string | null
  },
  era: Era,
): Answer {
  const { server, tool, rule, reason } = denied
  return toolError(
    { status: 'denied', outcome: null, rule, reason },
    {
      text:
        `NOT EXECUTED. The policy of "${server}" forbids ${tool}${reason === null ? '' : `: ${reason}`} (${rule}). ` +
        `Nobody was asked and a repeat gets the same answer. ${noDetour} Continue without it, or tell your user, ` +
        'who can ask an operator to change the policy.',
      retry: 'never',
    },
    era,
  )
}

/** A person has used the kill switch. */
export function stoppedAnswer(stop: Stop, era: Era): Answer {
  return toolError(stopMeta(stop), { text: `NOT EXECUTED. ${stoppedText(stop)}`, retry: 'never' }, era)
}

/** The same for a request that is no call of a tool. */
export const stoppedRefusal = (stop: Stop, id: Id): Refusal =>
  refusal(200, httpCode(403), stoppedText(stop), id, { ...stopMeta(stop), retry: 'never' })

const stoppedText = ({ by, atMs, reason, scope }: Stop) =>
  `STOPPED by ${by} at ${iso(atMs)}: "${reason}". It covers ${scopeText(scope)}, until a person lifts it; a repeat gets the ` +
  `same answer until then. ${noDetour} ${tellUser}`

const stopMeta = ({ number, by, atMs, reason, scope }: Stop): JsonObject => ({
  ...{ status: 'stopped', outcome: null, reason },
  stop: {
    number,
    by,
    at: iso(atMs),
    server: scope.server,
    tool: scope.tool,
    agent: scope.agent,
    owner: scope.owner,
  },
})

/** @param link where a person sets it up; `null`: nobody outside could follow it */
export function notSetUpAnswer(server: string, link: string | null, era: Era): Answer {
  const where = link === null ? 'in the Holdpoint console, or on its command line' : `at ${link}`
  const text =
    `NOT EXECUTED. Nobody has accepted a policy for "${server}" yet, and until then none of its tools can be called. ` +
    `An operator does it ${where}. ${tellUser} A repeat gets the same answer until then.`
  return toolError({ status: 'not_set_up', outcome: null, server, link }, { text, retry: 'same' }, era)
}

/** The policy would allow it, or ask; only not so often, or not so much. */
export function limitedAnswer(
  limited: {
    readonly server: string
    readonly tool: string
    readonly rule: string
    readonly reason: string
  },
  era: Era,
): Answer {
  const { server, tool, rule, reason } = limited
  return toolError(
    { status: 'limited', outcome: null, rule, reason },
    {
      text: `NOT EXECUTED. A limit of "${server}" for ${tool} holds this call back: ${reason} (${rule}). ${noDetour}`,
      retry: 'same',
    },
    era,
  )
}

/** The same words for a ticket that never was, that is somebody else's, and whose outcome is not kept any more. */
export const unknownTicket = (era: Era): Answer =>
  toolError(
    { status: 'unknown', outcome: null },
    {
      text:
        'There is no call with this ticket among yours at this server. Use the ticket from the answer to your own call, ' +
        'exactly as it stands there.',
      retry: 'changed',
    },
    era,
  )

/** Hidden tools and tools that do not exist are not told apart. */
export const unknownTool = (tool: string): Answer => errorAnswer(INVALID_PARAMS, `Unknown tool: ${tool}`)

/** `isError`, because SDK clients reject a success without `structuredContent` where the tool has an output schema. */
function toolError(meta: JsonObject, { text, retry, details = {} }: Told, era: Era): Answer {
  const result = {
    ...(era === 'modern' ? { resultType: 'complete' } : {}),
    content: [{ type: 'text', text: `${text} (retry: ${retry})` }],
    isError: true,
    _meta: { [META_APPROVAL]: { ...meta, ...details, retry } },
  }
  return { kind: 'result', text: JSON.stringify(result) }
}

/** `decidedWith`: whose yeses it needed besides. */
const decidedBy = (decision: Decision): JsonObject => ({
  decidedBy: decision.by,
  ...(decision.with.length === 0 ? {} : { decidedWith: decision.with }),
})

function approvalMeta(approval: Approval): JsonObject {
  const { id, status, expiresAtMs, asking } = approval
  return {
    id,
    status,
    outcome: approval.status === 'settled' ? approval.outcome.kind : null,
    ...(approval.predecessor === null ? {} : { predecessor: approval.predecessor.id }),
    expiresAt: iso(expiresAtMs),
    ...(isEdited(approval) ? { edited: editForAgent(approval) } : {}),
    ...(approval.like === null ? {} : { like: { id: approval.like.id, differs: approval.like.differs } }),
    approvers: {
      groups: asking.approvers.groups,
      people: asking.approvers.people,
      selfConfirm: asking.approvers.selfConfirm,
    },
    ...(asking.stages.length === 0
      ? {}
      : { yeses: { said: approval.votes.map(({ by }) => by), wanted: yesesWanted(asking.stages) } }),
  }
}

/** Required of every result since 2026-07-28; the era is part of what makes a call the same, so it is hardly ever missing. */
function withResultType(resultText: string, era: Era): string {
  if (era === 'legacy' || !resultText.trimStart().startsWith('{')) return resultText
  return rawMember(resultText, 'resultType') === null
    ? mergeObjects('{"resultType":"complete"}', resultText)
    : resultText
}

const iso = (ms: number) => new Date(ms).toISOString()
const sentence = (text: string) => (text.endsWith('.') ? text : `${text}.`)
const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
