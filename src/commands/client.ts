/** The REST API as the command line uses it: answers are checked, refusals are told as the gateway worded them. */
import type { z } from '@hono/zod-openapi'
import {
  type ApprovalDetail,
  type ApprovalPage,
  type ApprovalView,
  approvalDetail,
  approvalPage,
  changed,
  errorBody,
} from '../api/schemas.ts'
import { pinnedTools, toolDetail } from '../api/tool-schemas.ts'
import type { Status } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { CLI } from '../domain/command-line.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import { type ClientSettings, LOCAL_TOKEN, type Trouble } from './settings.ts'

export type Answer<T> = Promise<Result<T, Trouble>>

export interface Client {
  list(filter: {
    statuses: readonly Status[]
    limit: number
    after: string | null
    isMine?: boolean
  }): Answer<ApprovalPage>
  show(id: ApprovalId, withReply: boolean): Answer<ApprovalDetail>
  decide(
    id: ApprovalId,
    decision: {
      decision: 'approve' | 'reject'
      digest: string
      reason: string | null
      grant?: { uses: number; seconds: number } | null
    },
  ): Answer<ApprovalView>
  edit(
    id: ApprovalId,
    edit: { arguments: string; digest: string; reason: string | null },
  ): Answer<ApprovalView>
  extend(id: ApprovalId, extension: { untilMs: number; reason: string | null }): Answer<ApprovalView>
  takeBack(id: ApprovalId, reason: string | null): Answer<ApprovalView>
  cancel(id: ApprovalId, reason: string | null): Answer<ApprovalView>
  /** Answers with the new approval. */
  askAgain(id: ApprovalId, reason: string | null): Answer<ApprovalView>
  tools(filter: { server: string | null; state: 'waiting' | 'all' }): Answer<z.infer<typeof pinnedTools>>
  tool(server: string, tool: string): Answer<z.infer<typeof toolDetail>>
  acceptTool(server: string, tool: string, digest: string): Answer<z.infer<typeof toolDetail>>
  annotate(id: ApprovalId, finding: 'happened' | 'did_not_happen', note: string | null): Answer<ApprovalView>
}

/** A person waits in front of it. */
const ANSWER_MS_MAX = 15_000

export type Request = <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  body?: object,
) => Answer<z.infer<Schema>>

/** One exchange with the gateway; with a body it is a POST. */
export function createRequest({ url, token }: ClientSettings): Request {
  return async function request(path, schema, body) {
    let response: Response
    let text: string
    try {
      response = await fetch(`${url}/api/v1${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A redirect would carry the token to somebody else.
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      text = await response.text()
    } catch (error) {
      return err(unreachable(url, error))
    }
    const json = parseJson(text)
    if (response.ok) {
      const parsed = schema.safeParse(json)
      return parsed.success ? ok(parsed.data) : err(notOurs(url, response.status))
    }
    const refusal = errorBody.safeParse(json)
    return err(refusal.success ? refused(response.status, refusal.data.error) : notOurs(url, response.status))
  }
}

export function createClient(settings: ClientSettings): Client {
  const request = createRequest(settings)

  const change = async (id: ApprovalId, act: string, body: object): Answer<ApprovalView> => {
    const answer = await request(`/approvals/${id}/${act}`, changed, body)
    return answer.ok ? ok(answer.value.approval) : answer
  }
  const text = (name: string, value: string | null) => (value === null ? {} : { [name]: value })

  return {
    list({ statuses, limit, after, isMine = false }) {
      const query = new URLSearchParams({ limit: String(limit) })
      for (const status of statuses) query.append('status', status)
      if (after !== null) query.set('after', after)
      if (isMine) query.set('mine', 'true')
      return request(`/approvals?${query}`, approvalPage)
    },
    show: (id, withReply) => request(`/approvals/${id}${withReply ? '?include=reply' : ''}`, approvalDetail),
    decide: (id, { decision, digest, reason, grant = null }) =>
      change(id, 'decision', {
        ...{ decision, digest, via: 'cli', ...text('reason', reason) },
        ...(grant === null ? {} : { grant }),
      }),
    edit: (id, { arguments: args, digest, reason }) =>
      change(id, 'edit', { arguments: args, digest, via: 'cli', ...text('reason', reason) }),
    extend: (id, { untilMs, reason }) =>
      change(id, 'deadline', {
        until: new Date(untilMs).toISOString(),
        via: 'cli',
        ...text('reason', reason),
      }),
    takeBack: (id, reason) => change(id, 'take-back', { via: 'cli', ...text('reason', reason) }),
    cancel: (id, reason) => change(id, 'cancel', text('reason', reason)),
    askAgain: (id, reason) => change(id, 'ask-again', { via: 'cli', ...text('reason', reason) }),
    tools({ server, state }) {
      const query = new URLSearchParams({ state, ...(server === null ? {} : { server }) })
      return request(`/tools?${query}`, pinnedTools)
    },
    tool: (server, tool) => request(toolPath(server, tool), toolDetail),
    acceptTool: (server, tool, digest) => request(`${toolPath(server, tool)}/accept`, toolDetail, { digest }),
    annotate: (id, finding, note) => change(id, 'annotation', { finding, ...text('note', note) }),
  }
}

const toolPath = (server: string, tool: string) =>
  `/tools/${encodeURIComponent(server)}/${encodeURIComponent(tool)}`

function unreachable(url: string, error: unknown): Trouble {
  const isSlow = error instanceof Error && error.name === 'TimeoutError'
  return {
    message: isSlow
      ? `The gateway at ${url} did not answer within ${ANSWER_MS_MAX / 1000} s. Whether it took your request is not known.`
      : `No gateway answers at ${url}.`,
    remedy: isSlow
      ? `Look with \`${CLI} approvals show\` before you repeat it.`
      : `Start one with \`${CLI} start\`, or set HOLDPOINT_URL to the address of the one that runs.`,
  }
}

const notOurs = (url: string, status: number): Trouble => ({
  message: `What answers at ${url} is not a Holdpoint gateway of this version (status ${status}).`,
  remedy: `Set HOLDPOINT_URL to the address that \`${CLI} start\` prints.`,
})

function refused(
  status: number,
  { message, remedy }: { message: string; remedy?: string | undefined },
): Trouble {
  if (status === 401) {
    return {
      message: `The gateway does not accept HOLDPOINT_TOKEN. ${visible(message)}`,
      remedy: `Make a new one with \`${CLI} people token <id>\`. ${LOCAL_TOKEN}`,
    }
  }
  return { message: visibleLines(message), remedy: remedy === undefined ? null : visible(remedy) }
}

/** A policy that does not load has a line for each problem and for each remedy. */
const visibleLines = (text: string) => text.split('\n').map(visible).join('\n')

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
