/** What every answer of the gateway's own is made of: the words, what to do next, and the same as data. */
import { type Approval, type Decision, isEdited } from '../../domain/approval.ts'
import type { JsonObject } from '../../domain/canonical.ts'
import { editForAgent } from '../../domain/edited-text.ts'
import { yesesWanted } from '../../domain/quorum.ts'
import { type Era, META_APPROVAL } from '../../domain/tool-call.ts'
import type { Answer } from './rpc.ts'

/** What to do with this call: let it be, send it again as it is, or send a different one. */
type Retry = 'never' | 'same' | 'changed'

export interface Told {
  readonly text: string
  readonly retry: Retry
  readonly details?: JsonObject
}

export const noDetour = 'Do not try another way to the same effect.'
export const again = 'Call the same tool again with identical arguments'
export const tellUser = 'Tell your user.'

/** `isError`, because SDK clients reject a success without `structuredContent` where the tool has an output schema. */
export function toolError(meta: JsonObject, { text, retry, details = {} }: Told, era: Era): Answer {
  const result = {
    ...(era === 'modern' ? { resultType: 'complete' } : {}),
    content: [{ type: 'text', text: `${text} (retry: ${retry})` }],
    isError: true,
    _meta: { [META_APPROVAL]: { ...meta, ...details, retry } },
  }
  return { kind: 'result', text: JSON.stringify(result) }
}

/** `decidedWith`: whose yeses it needed besides. `underGrant`: they decided with that approval about calls like this one. */
export const decidedBy = (decision: Decision): JsonObject => ({
  decidedBy: decision.by,
  ...(decision.with.length === 0 ? {} : { decidedWith: decision.with }),
  ...(decision.under === null ? {} : { underGrant: decision.under }),
})

export function approvalMeta(approval: Approval): JsonObject {
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

export const iso = (ms: number) => new Date(ms).toISOString()
export const sentence = (text: string) => (text.endsWith('.') ? text : `${text}.`)
export const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
