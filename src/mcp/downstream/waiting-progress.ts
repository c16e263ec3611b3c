/** Progress notifications that tell the agent's user that a person was asked, without getting in the way of the tool's own. */
import type { Approval } from '../../domain/approval.ts'
import { approversInWords } from './replies.ts'
import type { Id } from './rpc.ts'

/** "The progress value MUST increase with each notification" (MCP, Progress): ours stay below what a tool reports first. */
const CEILING = 0.001
/** Claude Code shows 200 characters. */
const MESSAGE_LENGTH_MAX = 200

/** @param tick counts from 1 */
export function waitingProgress(token: Id, tick: number, approval: Approval, waitedMs: number): string {
  const minutes = Math.floor(waitedMs / 60_000)
  const waited = minutes === 0 ? `${Math.floor(waitedMs / 1_000)} s` : `${minutes} min`
  const message = messageOf(approval, waited)
  return JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: {
      progressToken: token,
      progress: CEILING * (1 - 1 / (tick + 1)),
      message:
        message.length <= MESSAGE_LENGTH_MAX ? message : `${message.slice(0, MESSAGE_LENGTH_MAX - 1)}…`,
    },
  })
}

function messageOf(approval: Approval, waited: string): string {
  const { id, status, asking, expiresAtMs, predecessor, like } = approval
  switch (status) {
    case 'pending': {
      const until = `${new Date(expiresAtMs).toISOString().slice(0, 16)}Z`
      if (predecessor !== null && predecessor.why === 'rule_changed') {
        return `The rule changed, so people are asked again: ${id} instead of ${predecessor.id} (${waited} so far). Asked now: ${approversInWords(asking.approvers)}`
      }
      // Before the approvers: it is cut at the end where there are many.
      const alike =
        like === null ? '' : ` Like ${like.id}, differs in ${like.differs.slice(0, 2).join(', ')}.`
      return `Waiting for approval ${id} (${waited} so far, can be decided until ${until}).${alike} Asked: ${approversInWords(asking.approvers)}`
    }
    case 'approved':
      return `${id} was approved and is about to run (${waited}).`
    case 'executing':
      return `${id} was approved and is running (${waited}).`
    case 'settled':
      return `${id} is decided (${waited}).`
  }
}
