/** Progress notifications that tell the agent's user that a person was asked, without getting in the way of the tool's own. */
import type { Approval } from '../../domain/approval.ts'
import type { Id } from './rpc.ts'
import { waitingInWords } from './waiting-words.ts'

/** "The progress value MUST increase with each notification" (MCP, Progress): ours stay below what a tool reports first. */
const CEILING = 0.001
/** Claude Code shows 200 characters. */
const MESSAGE_LENGTH_MAX = 200

/** @param tick counts from 1 */
export function waitingProgress(token: Id, tick: number, approval: Approval, waitedMs: number): string {
  const message = waitingInWords(approval, waitedMs)
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
