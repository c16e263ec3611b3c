/** One message of a client: read strictly, checked against what it says it is, and then passed on, judged or refused. */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Admission } from '../../ports/admission.ts'
import type { Log } from '../../ports/log.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import { isOwnId } from '../own-id.ts'
import { isRequestOf } from '../revisions.ts'
import type { Upstream } from '../upstream/wire.ts'
import { type Accepts, readAccepts } from './accepts.ts'
import type { Advertise } from './advertised.ts'
import type { ReadBody } from './body.ts'
import { clientName } from './client-name.ts'
import type { Delivery } from './delivery.ts'
import { declaresTasks } from './envelope.ts'
import type { Forward } from './forward.ts'
import type { Gate } from './gate.ts'
import { type HeldRequests, heldKey } from './held-requests.ts'
import type { Rewrite } from './hidden-tools.ts'
import { isObject, objectMember } from './json.ts'
import type { ListViews } from './list-views.ts'
import type { Listens } from './listening.ts'
import { type Message, printable, readMessage } from './message.ts'
import type { ListOwnTasks } from './own-task-list.ts'
import { stoppedRefusal } from './refusals.ts'
import {
  httpCode,
  type Id,
  INVALID_PARAMS,
  METHOD_NOT_FOUND,
  type Refusal,
  refusal,
  refusalResponse,
} from './rpc.ts'
import { type OpenSessionOf, type Session, sessionNotFound } from './sealed-session.ts'
import { type Spoken, spokenIn } from './spoken.ts'
import { isAboutOwnTask, missingTasks, TASK_NOT_FOUND, type Tasks } from './tasks.ts'
import { type ToolsSeen, toolsIn, watched } from './watch-lists.ts'

/**
 * What a stopped agent may still ask: that the gateway is there and speaks MCP, so that its host shows the reason instead of
 * a broken connection. Calls are judged by the gate, one tool at a time.
 */
const answeredWhileStopped: ReadonlySet<string> = new Set([
  'initialize',
  'server/discover',
  'ping',
  'tools/call',
])

/** Of the extension io.modelcontextprotocol/tasks. */
const taskMethods = new Set(['tasks/get', 'tasks/update', 'tasks/cancel'])

/** Where a request comes from and goes to. */
export interface From {
  readonly request: Request
  readonly principal: Principal
  readonly upstream: Upstream
  readonly delivery: Delivery
  /** Whether this request would be let in now, also long after it came. */
  admit(): Promise<Admission>
}

/** Told as soon as it is known what is asked, for whoever must answer after a fault. */
export type SetAnswering = (id: Id, method: string) => void

export type OnPost = (from: From, setAnswering: SetAnswering) => Promise<Response>

interface Accepted {
  readonly message: Message
  readonly text: string
  readonly spoken: Spoken
  readonly session: Session | null
  readonly accepts: Accepts
}

export function createOnPost(deps: {
  extraMethods(server: string): readonly string[]
  readBody: ReadBody
  openSessionOf: OpenSessionOf
  held: HeldRequests
  stops: Pick<StopsInForce, 'over'>
  gate: Gate
  tasks: Pick<Tasks, 'answer'>
  listOwnTasks: ListOwnTasks
  advertise: Advertise
  listViews: Pick<ListViews, 'seen'>
  listens: Pick<Listens, 'onListen'>
  forward: Forward
  toolsSeen: ToolsSeen
  limits: Pick<Limits, 'replyBytesMax'>
  log: Log
}): OnPost {
  const { extraMethods, readBody, openSessionOf, held, stops, gate, tasks, listOwnTasks } = deps
  const { advertise, listViews, listens, forward, toolsSeen, limits, log } = deps

  return async function onPost(from, setAnswering) {
    const { request, principal, upstream, delivery, admit } = from
    const { headers, signal } = request
    const accepted = await accept(from, setAnswering)
    if (!accepted.ok) {
      const { code } = accepted.error
      log.info({ server: upstream.server, principal: principal.name, code }, 'refused a message')
      return refusalResponse(accepted.error)
    }
    const { message, text, spoken, session, accepts } = accepted.value
    if (isCancelledHere(message, from, session)) return new Response(null, { status: 202 })

    const client = session?.client ?? clientName(message, headers)
    const id = message.kind === 'request' ? message.id : null
    const isAnswered = message.kind === 'request' && message.method !== 'subscriptions/listen'
    const common = { upstream, principal, headers, spoken, session, client, accepts, delivery, admit, signal }
    const passOn = (rewrite: Rewrite | null, onUnsent: (() => Promise<void>) | null = null) =>
      forward({ ...common, method: 'POST', body: text, id, isAnswered, rewrite, onUnsent })
    if (message.kind === 'notification' && message.method === 'notifications/initialized')
      listViews.seen(common)
    if (message.kind !== 'request') return passOn(null)
    if (isAboutOwnTask(message)) return tasks.answer(common, message, text)
    const stop = stops.over({ server: upstream.server, tool: null, principal })
    if (stop !== null && !answeredWhileStopped.has(message.method)) {
      log.info(
        { server: upstream.server, stop: stop.number, principal: principal.name },
        'a stopped request was refused',
      )
      return refusalResponse(stoppedRefusal(stop, message.id))
    }
    switch (message.method) {
      case 'tools/call':
        return gate({ ...common, message, passOn: (onUnsent) => passOn(null, onUnsent) })
      case 'initialize':
      case 'server/discover':
        return passOn(await advertise(common, message))
      case 'subscriptions/listen':
        return listens.onListen(common, message, text, (body) =>
          forward({ ...common, method: 'POST', body, id, isAnswered, rewrite: null, onUnsent: null }),
        )
      case 'tools/list':
        listViews.seen(common)
        return list(upstream.server, await advertise(common, message), passOn)
      case 'tasks/list':
        return passOn(await listOwnTasks(common))
      case 'tasks/get':
      case 'tasks/cancel':
        return ofUpstream(await passOn(null), spoken, message.id)
      default:
        return passOn(null)
    }
  }

  /** A task that is not ours is the upstream's; one that has no tasks at all does not know this one either. */
  async function ofUpstream(response: Response, { era }: Spoken, id: Id): Promise<Response> {
    if (era === 'legacy' || response.status !== 404) return response
    await response.body?.cancel()
    return refusalResponse(refusal(200, INVALID_PARAMS, TASK_NOT_FOUND, id))
  }

  /** What is listed is read along with, before anything is hidden from it: hiding a tool and showing it again is no change of it. */
  async function list(
    server: string,
    rewrite: Rewrite | null,
    passOn: (rewrite: Rewrite | null) => Promise<Response>,
  ): Promise<Response> {
    const tell = (raw: string) => {
      const page = toolsIn(raw)
      if (page !== null) toolsSeen(server, page.tools, page.isLast)
    }
    if (rewrite === null) return watched(await passOn(null), limits.replyBytesMax, (raw) => raw.forEach(tell))
    return passOn((raw) => {
      // The client has its answer first.
      setImmediate(() => tell(raw))
      return rewrite(raw)
    })
  }

  async function accept(from: From, setAnswering: SetAnswering): Promise<Result<Accepted, Refusal>> {
    const { request, principal, upstream } = from
    const accepts = readAccepts(request.headers.get('accept'))
    if (accepts === null) return err(notAcceptable())
    const body = await readBody(request, principal)
    if (!body.ok) return body
    const text = body.value
    const read = readMessage(text)
    if (!read.ok) return read
    const message = read.value
    if (message.kind === 'request') setAnswering(message.id, message.method)
    const spoken = spokenIn(request.headers, message)
    if (!spoken.ok) return spoken
    const outside = methodRefusal(message, spoken.value, upstream.server)
    if (outside !== null) return err(outside)
    const session = openSessionOf(from, spoken.value)
    if (!session.ok) return err(sessionNotFound(message.kind === 'request' ? message.id : null))
    return ok({ message, text, spoken: spoken.value, session: session.value, accepts })
  }

  function methodRefusal(message: Message, { revision, era }: Spoken, server: string): Refusal | null {
    if (message.kind !== 'request') return null
    const { method, id } = message
    // Of ours, a task of 2026-07-28 takes every method of its extension.
    if (era === 'modern' && isAboutOwnTask(message) && method !== 'tasks/result') return null
    if (extraMethods(server).includes(method)) return null
    // Before all else: who has not said that it knows tasks is told that, whatever the task.
    const isOfTasks = era === 'modern' && taskMethods.has(method)
    if (isOfTasks && !declaresTasks(objectMember(message.params, '_meta'), { revision, era }))
      return missingTasks(id)
    if (isRequestOf(revision, method)) return null
    const text = `Method not found: ${printable(method)} is not a request of MCP ${revision}.`
    return refusal(era === 'modern' ? 404 : 200, METHOD_NOT_FOUND, text, id)
  }

  /** A held call is known to its upstream only once it runs, and then under an id of ours that is not for clients to cancel. */
  function isCancelledHere(message: Message, { principal, upstream }: From, session: Session | null) {
    if (message.kind !== 'notification' || message.method !== 'notifications/cancelled') return false
    if (isObject(message.params) && Object.values(message.params).some(isOwnId)) return true
    const requestId = isObject(message.params) ? message.params.requestId : undefined
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return false
    const isHeldHere = held.cancel(heldKey(principal, upstream.server, session?.id ?? null, requestId))
    // Without a session it may be the id of another client's call, which the upstream has.
    return isHeldHere && session !== null
  }
}

export const notAcceptable = () =>
  refusal(406, httpCode(406), "'Accept' must allow application/json or text/event-stream.")
