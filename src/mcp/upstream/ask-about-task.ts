/** One request about a task that the upstream made of an approved call. It asks, cancels or brings answers; it never calls a tool. */
import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import { beginning } from '../../domain/well-formed.ts'
import { newOwnId } from '../own-id.ts'
import { rawMember, withMember } from '../raw-json.ts'
import { ask } from './ask.ts'
import { headerText } from './call-message.ts'
import { parseJson } from './peek.ts'
import { anyTime, type Upstream } from './wire.ts'

/** Asking is quick for a server that is alive, and the client waits for it. */
const SILENCE_MS = 20_000

export interface TaskQuestion {
  readonly upstream: Upstream
  readonly principal: Principal
  /** Of the requester, lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Raw JSON object: the `io.modelcontextprotocol/*` members of the request's `_meta`, the tasks extension included. */
  readonly envelope: string
  readonly method: 'tasks/get' | 'tasks/update' | 'tasks/cancel'
  /** As the upstream names it. */
  readonly taskId: string
  /** Raw JSON of what the client answers, for `tasks/update`. */
  readonly inputResponses: string | null
  readonly answerBytesMax: number
}

export type TaskAnswer =
  /** Raw JSON of the `result`. */
  | { readonly kind: 'result'; readonly text: string }
  /** Raw JSON of the `error`; its code is `null` if it is none. */
  | { readonly kind: 'error'; readonly text: string; readonly code: number | null }
  /** Nothing is known now. The reason is for operators. */
  | { readonly kind: 'none'; readonly reason: string }

/** Never throws. */
export async function askAboutTask(question: TaskQuestion): Promise<TaskAnswer> {
  const { upstream, principal, headers, envelope, method, taskId, inputResponses, answerBytesMax } = question
  const id = newOwnId()
  const about = `{"taskId":${JSON.stringify(taskId)},"_meta":${envelope}}`
  const params = inputResponses === null ? about : withMember(about, 'inputResponses', inputResponses)
  const asked = await ask({
    upstream,
    principal,
    headers: { ...headers, 'mcp-method': method, 'mcp-name': headerText(taskId) },
    id,
    body: `{"jsonrpc":"2.0","id":"${id}","method":"${method}","params":${params}}`,
    freshConnection: false,
    mayStart: anyTime,
    answerBytesMax,
    silenceMs: SILENCE_MS,
    onMessage: () => {},
  })
  if (asked.kind !== 'answer') return { kind: 'none', reason: asked.reason }
  const text = rawMember(asked.text, asked.isError ? 'error' : 'result') ?? 'null'
  if (!asked.isError) return { kind: 'result', text }
  const error = z.object({ code: z.number() }).safeParse(parseJson(text))
  // Who may not ask is no reason to think that the task is gone.
  if (asked.status === 401 || asked.status === 403)
    return { kind: 'none', reason: `HTTP ${asked.status}: ${beginning(text, 300)}` }
  return { kind: 'error', text, code: error.success ? error.data.code : null }
}
