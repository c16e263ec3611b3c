/** What an agent is told about a call that nobody is asked about: the policy, a limit or an operator says no, or it cannot be. */
import type { JsonObject } from '../../domain/canonical.ts'
import { type Stop, scopeText } from '../../domain/stop.ts'
import type { Era } from '../../domain/tool-call.ts'
import type { AskRefusal } from '../../services/ask.ts'
import { toldOutcome } from './replies.ts'
import { type Answer, errorAnswer, httpCode, type Id, INVALID_PARAMS, type Refusal, refusal } from './rpc.ts'
import { approvalMeta, iso, noDetour, type Told, tellUser, toolError } from './told.ts'
import { NOT_EXECUTED, newerFormText } from './unavailable.ts'

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
      return limitedAnswer({ server, tool, rule: refused.rule, reason: refused.because }, era, NOT_EXECUTED)
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
      return told(refusedMeta, { text: newerFormText(refused.unread), retry: 'same' })
    case 'too_many_pending':
      return told(refusedMeta, {
        text:
          `NOT EXECUTED, and nobody was asked: ${refused.pending} of your calls wait for a person already, and ${refused.max} ` +
          `are allowed. Wait until some are decided. ${noDetour}`,
        retry: 'same',
      })
    case 'moved_on':
      return told(refusedMeta, {
        text:
          'NOT EXECUTED, and nobody was asked: the same call kept coming to an end elsewhere while this one was asked for. ' +
          'Try again.',
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

/** The policy says no, without asking anybody. @param opening what is known of the same call from before */
export function deniedAnswer(
  denied: {
    readonly server: string
    readonly tool: string
    readonly rule: string
    readonly reason: string | null
  },
  era: Era,
  opening: string,
): Answer {
  const { server, tool, rule, reason } = denied
  return toolError(
    { status: 'denied', outcome: null, rule, reason },
    {
      text:
        `${opening} The policy of "${server}" forbids ${tool}${reason === null ? '' : `: ${reason}`} (${rule}). ` +
        `Nobody was asked and a repeat gets the same answer. ${noDetour} Continue without it, or tell your user, ` +
        'who can ask an operator to change the policy.',
      retry: 'never',
    },
    era,
  )
}

/** A person has used the kill switch. */
export function stoppedAnswer(stop: Stop, era: Era, opening: string): Answer {
  return toolError(stopMeta(stop), { text: `${opening} ${stoppedText(stop)}`, retry: 'never' }, era)
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
export function notSetUpAnswer(server: string, link: string | null, era: Era, opening: string): Answer {
  const where = link === null ? 'in the Holdpoint console, or on its command line' : `at ${link}`
  const text =
    `${opening} Nobody has accepted a policy for "${server}" yet, and until then none of its tools can be called. ` +
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
  opening: string,
): Answer {
  const { server, tool, rule, reason } = limited
  return toolError(
    { status: 'limited', outcome: null, rule, reason },
    {
      text: `${opening} A limit of "${server}" for ${tool} holds this call back: ${reason} (${rule}). ${noDetour}`,
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
