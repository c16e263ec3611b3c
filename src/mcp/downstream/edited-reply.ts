/**
 * The upstream's answer to a call that people had edited: it says first that other arguments ran than the agent had asked for.
 * Everything the upstream said stays as it said it, `structuredContent` byte for byte.
 */
import { type Approval, askedParams } from '../../domain/approval.ts'
import { differencesOf } from '../../domain/difference.ts'
import { editForAgent } from '../../domain/edited-text.ts'
import { META_APPROVAL } from '../../domain/tool-call.ts'
import { mergeObjects, rawItems, rawMember, withMember } from '../raw-json.ts'

export function withEdit(replyText: string, kind: 'result' | 'error', approval: Approval): string {
  const said = editedSentence(approval, kind)
  if (!replyText.trimStart().startsWith('{')) return replyText
  if (kind === 'error') return withErrorNote(replyText, said, approval)
  const content = rawMember(replyText, 'content') ?? '[]'
  const told = JSON.stringify({ type: 'text', text: said })
  const noted = content.trimStart().startsWith('[')
    ? withMember(replyText, 'content', `[${[told, ...rawItems(content)].join(',')}]`)
    : replyText
  return withMember(noted, '_meta', merged(rawMember(replyText, '_meta'), approval))
}

/** An error has a message for people and agents, and `data` for what it likes. */
function withErrorNote(errorText: string, said: string, approval: Approval): string {
  const message: unknown = JSON.parse(rawMember(errorText, 'message') ?? '""')
  const noted = withMember(errorText, 'message', JSON.stringify(`${said} ${String(message)}`))
  const data = rawMember(errorText, 'data')
  const isTaken = data !== null && !data.trimStart().startsWith('{')
  return isTaken ? noted : withMember(noted, 'data', merged(data, approval))
}

function merged(object: string | null, approval: Approval): string {
  const { id, status } = approval
  const outcome = approval.status === 'settled' ? approval.outcome.kind : null
  const own = JSON.stringify({ [META_APPROVAL]: { id, status, outcome, edited: editForAgent(approval) } })
  return object === null || !object.trimStart().startsWith('{') ? own : mergeObjects(object, own)
}

function editedSentence(approval: Approval, kind: 'result' | 'error'): string {
  const { id, edits } = approval
  const { by, reason, differs } = editedFacts(approval)
  const why = reason === null ? '' : ` and said: "${reason}"`
  const often = edits.length > 1 ? ', after earlier edits,' : ''
  const ran = kind === 'result' ? 'This ran' : 'This was sent'
  return (
    `${ran} WITH OTHER ARGUMENTS than you asked for (ticket ${id}): ${by} changed them${often}${why}. They differ in ` +
    `${differs}; the arguments that were sent stand in ${kind === 'result' ? '_meta' : 'data'}. Tell your user, and do not call again to undo it.`
  )
}

const NAMED_MAX = 5

function editedFacts({ edits, proposed }: Approval) {
  const last = edits.at(-1)
  const { found, isCut } = differencesOf(askedParams({ edits, proposed }), proposed.canonicalParams)
  const named = found.slice(0, NAMED_MAX).map(({ pointer }) => pointer)
  const more = found.length > NAMED_MAX || isCut ? ' and more places' : ''
  return { by: last?.by ?? 'a person', reason: last?.reason ?? null, differs: named.join(', ') + more }
}
