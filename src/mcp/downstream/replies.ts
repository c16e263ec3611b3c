/**
 * What an agent is told, in one place: a text it can act on, and the same as data in `_meta`. "Not executed" is said only
 * where it is true, and nothing from inside the gateway is. What nobody is asked about is in refusals.ts.
 */
import { isRuleActor } from '../../domain/actor.ts'
import {
  type Approval,
  decidersOf,
  isAcceptedAsTask,
  isEdited,
  type Outcome,
  type Settled,
  wayWhenGone,
} from '../../domain/approval.ts'
import type { Evidence } from '../../domain/evidence.ts'
import { namesText } from '../../domain/quorum-text.ts'
import { type Era, META_APPROVAL } from '../../domain/tool-call.ts'
import { unsentForAgent } from '../../domain/unsent.ts'
import { mergeObjects, rawMember } from '../raw-json.ts'
import { withEdit } from './edited-reply.ts'
import { TASKS_EXTENSION } from './envelope.ts'
import { type Answer, errorAnswer, MISSING_CLIENT_CAPABILITY } from './rpc.ts'
import {
  again,
  approvalMeta,
  decidedBy,
  iso,
  lowerFirst,
  noDetour,
  sentence,
  type Told,
  tellUser,
  toolError,
} from './told.ts'
import { askedText } from './waiting-words.ts'

/** How an approval ended. `replyText` is what the upstream said, where it did. */
export function settledAnswer(
  approval: Settled,
  replyText: string | null,
  era: Era,
  coolDownMs: number,
): Answer {
  const { outcome } = approval
  if (era === 'legacy' && isQuestion(approval, replyText)) return questionAnswer(approval, era)
  if (isAcceptedAsTask(approval)) return elsewhereAnswer(approval, era)
  if (outcome.kind === 'answered' && replyText !== null) {
    const { kind } = outcome.reply
    const text = kind === 'result' ? withResultType(replyText, era) : replyText
    return { kind, text: isEdited(approval) ? withEdit(text, kind, approval) : text }
  }
  return toolError(approvalMeta(approval), toldOutcome(approval, coolDownMs), era)
}

/**
 * The upstream wants to know more before it acts, and the way the client waits has no room for its question: the answer would
 * be another call, for people to approve.
 */
export function questionAnswer(approval: Settled, era: Era): Answer {
  const [carrier, instead] =
    era === 'modern'
      ? ['a task here', ', or without the tasks extension,']
      : ['the revision of MCP that your client speaks', '']
  const text =
    `SENT, ticket ${approval.id}, and NOT DONE so far: the server asks for more input before it goes on, which ${carrier} ` +
    `cannot carry. ${tellUser} A call with everything it needs in its arguments${instead} can succeed.`
  return toolError(approvalMeta(approval), { text, retry: 'changed' }, era)
}

/** The upstream made a task of the call, and whoever asks now has not said that it can follow one. */
function elsewhereAnswer(approval: Settled, era: Era): Answer {
  const text =
    `SENT, ticket ${approval.id}: the server accepted the call and works on it as a task of its own, which this request cannot ` +
    'follow. A client with the extension io.modelcontextprotocol/tasks collects the result: it makes the same call, word for ' +
    `word, and is given that task; nothing runs twice. ${tellUser}`
  const told = { text, retry: 'never' } as const
  if (era === 'legacy') return toolError(approvalMeta(approval), told, era)
  return errorAnswer(MISSING_CLIENT_CAPABILITY, `${text} (retry: never)`, {
    requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
    [META_APPROVAL]: { ...approvalMeta(approval), retry: told.retry },
  })
}

/** The upstream made a task of the call and does not know it any more. */
export function taskLostAnswer(approval: Settled): Answer {
  const text =
    `This call MAY OR MAY NOT have been executed to its end (ticket ${approval.id}): it was sent, the server accepted it as a ` +
    'task of its own, and does not know that task any more. Its result is not available. Do not repeat it and do not try ' +
    `another way; a person must look at what happened. ${tellUser}`
  return toolError(approvalMeta(approval), { text, retry: 'never' }, 'modern')
}

export function isQuestion({ outcome }: Settled, replyText: string | null): boolean {
  if (outcome.kind !== 'answered' || outcome.reply.kind !== 'result') return false
  return replyText?.startsWith('{') === true && rawMember(replyText, 'resultType') === '"input_required"'
}

/** The same as one text, for what has no room for more. */
export function settledInWords(approval: Settled, coolDownMs: number): string {
  const { outcome } = approval
  if (outcome.kind !== 'answered') return toldOutcome(approval, coolDownMs).text
  if (outcome.reply.isTask === true)
    return `${approval.id} was approved and sent; the server accepted it as a task of its own.`
  return outcome.reply.kind === 'error' || outcome.reply.isError
    ? `${approval.id} was approved and sent; the server answered with an error.`
    : `${approval.id} was approved and has run.`
}

export function toldOutcome({ id, outcome, settledAtMs }: Settled, coolDownMs: number): Told {
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
          `${tellUser} ${asksLater} ${noDetour}`,
        retry: 'same',
      }
    case 'lapsed':
      return {
        text:
          `NOT EXECUTED. ${namesText(decidersOf(outcome.decision))} said yes to ticket ${id}, but nobody was waiting for the result in time, ` +
          `and an old yes is not used. ${asksLater} Then keep waiting for it.`,
        retry: 'same',
        details: decidedBy(outcome.decision),
      }
    case 'cancelled':
      if (isRuleActor(outcome.by)) {
        return {
          text:
            `NOT EXECUTED. Ticket ${id} was withdrawn by its rule, because nobody waited for it any more. ${tellUser} ` +
            `${asksLater} Then keep waiting for it. ${noDetour}`,
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
          `NOT EXECUTED, certainly: ticket ${id} was approved, but the call could not be sent, and nothing of it arrived: ` +
          `${unsentForAgent(outcome.reason)}. ${asksLater}`,
        retry: 'same',
        details: { ...decidedBy(outcome.decision), reason: unsentForAgent(outcome.reason) },
      }
    case 'indeterminate':
      return indeterminate(id, outcome)
  }
}

function indeterminate(
  id: string,
  { annotations, successor, evidence }: Extract<Outcome, { kind: 'indeterminate' }>,
): Told {
  const annotation = annotations.at(-1)
  if (annotation?.finding === 'happened') {
    return {
      text:
        `EXECUTED, ticket ${id}: ${howFar(evidence)}, but ${annotation.by} looked and found that it happened. ` +
        `Its result is not available. Do not repeat it. ${tellUser}`,
      retry: 'never',
      details: { finding: annotation.finding, foundBy: annotation.by },
    }
  }
  if (annotation?.finding === 'did_not_happen') {
    return {
      text:
        `NOT EXECUTED, ticket ${id}: ${howFar(evidence)}, but ${annotation.by} looked and found that it did not happen. ` +
        'If it is still needed, the same call asks again.',
      retry: 'same',
      details: { finding: annotation.finding, foundBy: annotation.by },
    }
  }
  return {
    text:
      `This call MAY OR MAY NOT have been executed (ticket ${id}): ${howFar(evidence)}. ` +
      `Do not repeat it and do not try another way; a person must look at what happened. ${tellUser}`,
    retry: 'never',
    ...(successor === null ? {} : { details: { successor } }),
  }
}

/** A gateway may have died before the first byte, and an answer may have come after the end was noted. */
function howFar({ lateReplies, unsent }: Evidence): string {
  if (lateReplies.length > 0) return 'it was sent, and its answer came too late to be its outcome'
  return unsent === null
    ? 'it may have been sent, and no answer was noted'
    : 'its gateway was taken for dead, and came back to say that it had sent nothing'
}

/** An outcome is handed over until a while after a stream has carried it, because nobody can know what a client has read. */
const asksLater =
  'If it is still needed, call it again later, and people are asked anew; a repeat soon after this answer gets it once more.'

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
  const gone =
    wayWhenGone(approval) === 'cancel'
      ? ' Its rule withdraws it when nobody has waited for it for a while.'
      : ''
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
          `APPROVED by ${namesText(decidersOf(approval.decision))} and BEING SENT, no result so far, ticket ${id}. ${again} to collect the result: ` +
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
      ? ` It may have been sent before, as ${predecessor.id}, and ${predecessor.difference}; a person asks again with this ticket.`
      : ` The rule changed while ticket ${predecessor.id} waited (${predecessor.difference}), so this ticket took its place.`

/** Impatient agents ask again with a detail changed; then two calls wait where one was meant. */
function likeText({ like }: Approval): string {
  if (like === null) return ''
  return (
    ` When you asked, ${like.id} of yours waited already; this one differs from it in ${like.differs.join(', ')}. If both ` +
    'are not meant, tell your user which one people should deny.'
  )
}

/** Required of every result since 2026-07-28; the era is part of what makes a call the same, so it is hardly ever missing. */
function withResultType(resultText: string, era: Era): string {
  if (era === 'legacy' || !resultText.trimStart().startsWith('{')) return resultText
  return rawMember(resultText, 'resultType') === null
    ? mergeObjects('{"resultType":"complete"}', resultText)
    : resultText
}
