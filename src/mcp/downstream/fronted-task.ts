/**
 * A task of the upstream's own behind a task of ours: the upstream answered an approved call with it. Ours is the only name
 * that the client knows. What is asked about it is asked there, on the terms of whoever asks, at any gateway.
 */
import { z } from 'zod'
import { isAcceptedAsTask, type Settled } from '../../domain/approval.ts'
import type { JsonObject } from '../../domain/canonical.ts'
import type { Limits } from '../../domain/limits.ts'
import type { Era } from '../../domain/tool-call.ts'
import type { Log } from '../../ports/log.ts'
import type { OwnCall } from '../../services/own-calls.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import { mergeObjects, rawMember, withMember } from '../raw-json.ts'
import { askAboutTask, type TaskAnswer } from '../upstream/ask-about-task.ts'
import { parseJson } from '../upstream/peek.ts'
import { withEdit } from './edited-reply.ts'
import { stoppedRefusal } from './refusals.ts'
import { taskLostAnswer } from './replies.ts'
import { type Requester, sessionHeaders } from './requester.ts'
import { type Answer, errorAnswer, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND } from './rpc.ts'
import { acknowledged, detailedTask } from './task-view.ts'

/** What `tasks/get` says about a task of ours. */
export interface TaskNow {
  /** Raw JSON, as `tasks/get` answers it. */
  readonly text: string
  /** It has ended, and the text carries how. */
  readonly isOver: boolean
  /** When the upstream wants to be asked again; `null`: it does not say. */
  readonly pollMs: number | null
}

/** Who asks about it. */
export interface AskedBy {
  readonly requester: Pick<Requester, 'upstream' | 'principal' | 'headers' | 'session'>
  /** Raw JSON object: what is carried of the `_meta` of the request that asks. */
  readonly envelope: string
}

export interface FrontedTasks {
  /** @param fields how our task looks as long as nothing else is known */
  get(by: AskedBy, fronted: Fronted, fields: JsonObject): Promise<TaskNow>
  cancel(by: AskedBy, fronted: Fronted): Promise<Answer>
  /** @param inputResponses raw JSON object */
  update(by: AskedBy, fronted: Fronted, inputResponses: string): Promise<Answer>
}

export interface Fronted {
  readonly approval: Settled
  /** As the upstream names it; clients never see it. */
  readonly upstreamTaskId: string
}

/** `null`: the call was answered otherwise, or the client speaks another era than the call was made in. */
export function frontedBy({ approval, replyText }: OwnCall, era: Era): Fronted | null {
  if (approval.status !== 'settled' || !isAcceptedAsTask(approval) || replyText === null) return null
  if (era !== 'modern' || approval.asked.era !== 'modern') return null
  const created = z.object({ taskId: z.string() }).safeParse(parseJson(replyText))
  return created.success ? { approval, upstreamTaskId: created.data.taskId } : null
}

const taskSchema = z.object({
  taskId: z.string(),
  status: z.enum(['working', 'input_required', 'completed', 'failed', 'cancelled']),
  createdAt: z.iso.datetime({ offset: true }).optional().catch(undefined),
  ttlMs: z.number().nonnegative().nullish().catch(null),
  pollIntervalMs: z.number().nonnegative().optional().catch(undefined),
})
type UpstreamTask = z.infer<typeof taskSchema>

const over: ReadonlySet<string> = new Set<UpstreamTask['status']>(['completed', 'failed', 'cancelled'])

export function createFrontedTasks(deps: {
  /** Methods that an operator lets through to this server. */
  extraMethods(server: string): readonly string[]
  stops: Pick<StopsInForce, 'over'>
  limits: Pick<Limits, 'replyBytesMax'>
  log: Log
}): FrontedTasks {
  const { extraMethods, stops, limits, log } = deps

  function ask(
    { requester, envelope }: AskedBy,
    { approval, upstreamTaskId: taskId }: Fronted,
    method: 'tasks/get' | 'tasks/update' | 'tasks/cancel',
    inputResponses: string | null = null,
  ): Promise<TaskAnswer> {
    const { upstream, principal } = requester
    const answerBytesMax = limits.replyBytesMax
    return askAboutTask({
      ...{ upstream, principal, headers: sessionHeaders(requester), envelope, method, taskId },
      ...{ inputResponses, answerBytesMax },
    }).then((answer) => {
      if (answer.kind === 'none')
        log.warn(
          { approval: approval.id, method, reason: answer.reason },
          'a task of the server is out of reach',
        )
      return answer
    })
  }

  const stopOver = ({ requester: { upstream, principal } }: AskedBy, { approval }: Fronted) =>
    stops.over({ server: upstream.server, tool: approval.asked.tool, principal })

  return {
    async get(by, fronted, fields) {
      const unknown = (why: string): TaskNow => ({
        text: detailedTask({ ...fields, statusMessage: `${String(fields.statusMessage)} ${why}` }, null),
        ...{ isOver: false, pollMs: null },
      })
      if (stopOver(by, fronted) !== null) return unknown('It is not asked about while a stop is in force.')
      const answer = await ask(by, fronted, 'tasks/get')
      if (answer.kind === 'result') {
        const task = taskSchema.safeParse(parseJson(answer.text))
        if (task.success && task.data.taskId === fronted.upstreamTaskId)
          return shown(answer.text, task.data, fronted, fields)
      }
      // It said that there was such a task, and says now that there is none: its time is over, or it was started anew.
      if (answer.kind === 'error' && (answer.code === INVALID_PARAMS || answer.code === METHOD_NOT_FOUND)) {
        const text = detailedTask({ ...fields, status: 'completed' }, taskLostAnswer(fronted.approval))
        return { text, isOver: true, pollMs: null }
      }
      return unknown('The server cannot be asked about it right now.')
    },

    async cancel(by, fronted) {
      const answer = await ask(by, fronted, 'tasks/cancel')
      if (answer.kind !== 'none') return acknowledged
      return errorAnswer(
        INTERNAL_ERROR,
        `${fronted.approval.id} runs at the server as a task, and the cancel may not have reached it. Cancel it again.`,
      )
    },

    async update(by, fronted, inputResponses) {
      // People decided about the call as it stood; what is answered now may be the very thing that they ought to decide.
      if (!extraMethods(by.requester.upstream.server).includes('tasks/update'))
        return errorAnswer(METHOD_NOT_FOUND, notTaken(fronted.approval))
      const stop = stopOver(by, fronted)
      if (stop !== null) {
        const { code, message, data } = stoppedRefusal(stop, 0)
        return errorAnswer(code, message, data)
      }
      const answer = await ask(by, fronted, 'tasks/update', inputResponses)
      if (answer.kind === 'error') return { kind: 'error', text: answer.text }
      if (answer.kind === 'result') return acknowledged
      return errorAnswer(
        INTERNAL_ERROR,
        'The answers may not have reached the server. Ask for the task: what it still asks then is not answered.',
      )
    },
  }
}

const notTaken = ({ id, asked }: Settled) =>
  `Nothing was sent. ${id} was approved as it stood, and answers to what ${asked.server} asks since would reach it without anybody ` +
  "having seen them. Tell your user: an operator who knows this server's questions can let answers through, by `methods: " +
  '[tasks/update]` in holdpoint.yaml. Until then the task can be cancelled, or waits for as long as the server lets it.'

/** The upstream's own bytes under our name, with the times of our task. */
function shown(text: string, task: UpstreamTask, { approval }: Fronted, fields: JsonObject): TaskNow {
  const { taskId, createdAt } = fields
  const own = { resultType: 'complete', taskId, createdAt, ttlMs: ttlMs(task, fields) }
  const named = mergeObjects(text, JSON.stringify(own))
  return {
    text: approval.edits.length === 0 ? named : withEditInside(named, approval),
    isOver: over.has(task.status),
    pollMs: task.pollIntervalMs ?? null,
  }
}

/** No longer than we can be asked, and no longer than the upstream says that it knows. */
function ttlMs({ createdAt, ttlMs }: UpstreamTask, fields: JsonObject): number {
  const ours = Number(fields.ttlMs)
  if (createdAt === undefined || ttlMs === null || ttlMs === undefined) return ours
  const theirs = Date.parse(createdAt) + ttlMs - Date.parse(String(fields.createdAt))
  return Math.max(0, Math.min(ours, Math.round(theirs)))
}

/** Of a call that people had changed, how it ended says so first. */
function withEditInside(taskText: string, approval: Settled): string {
  for (const kind of ['result', 'error'] as const) {
    const inside = rawMember(taskText, kind)
    if (inside !== null) return withMember(taskText, kind, withEdit(inside, kind, approval))
  }
  return taskText
}
