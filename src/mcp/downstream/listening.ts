/**
 * The streams on which clients listen to what a server says by itself: the GET stream of a session, and `subscriptions/listen`
 * of 2026-07-28. We say on them what only we know: that a list of tools is another one by what is in force, and how our tasks go.
 */
import { z } from 'zod'
import type { Timings } from '../../domain/timings.ts'
import type { Clock } from '../../ports/clock.ts'
import { rawMember, withMember } from '../raw-json.ts'
import { paramsOf, withSubscription } from '../upstream/eras/words.ts'
import { parseJson, peek } from '../upstream/peek.ts'
import { declaresTasks, readEnvelope } from './envelope.ts'
import type { HeldRequests } from './held-requests.ts'
import { objectMember } from './json.ts'
import type { ListViews } from './list-views.ts'
import type { RequestMessage } from './message.ts'
import { createOwnEvents } from './own-events.ts'
import type { Requester } from './requester.ts'
import { rewriteEvents } from './rewrite-body.ts'
import { METHOD_NOT_FOUND, refusalResponse } from './rpc.ts'
import { standingOf } from './still-in.ts'
import { isOwnTaskId, type TaskIds } from './task-id.ts'
import type { TaskNews } from './task-news.ts'
import { missingTasks, type Tasks } from './tasks.ts'

export interface Listens {
  /** The GET stream of a legacy client. @param passOn to the upstream, which may have none */
  onGet(requester: Requester, passOn: () => Promise<Response>): Promise<Response>
  /** `subscriptions/listen`. @param passOn sends this body instead of what came */
  onListen(
    requester: Requester,
    message: RequestMessage,
    text: string,
    passOn: (body: string) => Promise<Response>,
  ): Promise<Response>
}

/** What clients wish for by `subscriptions/listen`, as far as it concerns us. */
const wishSchema = z.object({
  notifications: z.object({
    toolsListChanged: z.boolean().optional().catch(undefined),
    taskIds: z.array(z.string()).optional().catch(undefined),
  }),
})
/** More than an agent may have pending. */
const TASKS_MAX = 100
/** Of one event that passes. */
const EVENT_CHARACTERS_MAX = 16 * 1024 * 1024

const listChanged = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

export function createListens(deps: {
  listViews: ListViews
  taskNews: TaskNews
  tasks: Pick<Tasks, 'news'>
  taskIds: TaskIds
  held: HeldRequests
  timings: Pick<Timings, 'commentMs'>
  clock: Clock
  stopping: AbortSignal
}): Listens {
  const { listViews, taskNews, tasks, taskIds, held, timings, clock, stopping } = deps
  let streams = 0

  async function onGet(requester: Requester, passOn: () => Promise<Response>): Promise<Response> {
    const response = await passOn()
    const { principal, upstream, session, spoken } = requester
    const owner = { principal, server: upstream.server }
    return joined(requester, response, response.status === 405, (send) => {
      const stopWatching = listViews.watch(requester, () => send(listChanged))
      const isOfTasks = spoken.revision === '2025-11-25' && session !== null
      const stopNews = isOfTasks
        ? taskNews.listen({
            owner,
            ids: null,
            isMine: ({ asked }) =>
              asked.asTask === true &&
              asked.session === session.id &&
              asked.server === owner.server &&
              asked.requester.name === principal.name &&
              asked.requester.owner === principal.owner,
            news: (id, call) => tasks.news(requester, '{}', id, call),
            tell: send,
          })
        : () => {}
      return () => {
        stopWatching()
        stopNews()
      }
    })
  }

  async function onListen(
    requester: Requester,
    message: RequestMessage,
    text: string,
    passOn: (body: string) => Promise<Response>,
  ): Promise<Response> {
    const wish = wishSchema.safeParse(message.params)
    if (!wish.success) return passOn(text)
    const { toolsListChanged = false, taskIds: wished = [] } = wish.data.notifications
    if (wished.length > 0 && !declaresTasks(objectMember(message.params, '_meta'), requester.spoken))
      return refusalResponse(missingTasks(message.id))
    const owner = { principal: requester.principal, server: requester.upstream.server }
    // One that cannot be read asks nothing of a server; what we know by ourselves is told all the same.
    const read = readEnvelope(objectMember(message.params, '_meta'), requester.spoken)
    const envelope = read.ok ? read.value : '{}'
    const own = wished
      .filter(isOwnTaskId)
      .slice(0, TASKS_MAX)
      .flatMap((taskId) => {
        const id = taskIds.open(taskId, owner)
        return id === null ? [] : [{ taskId, id }]
      })
    const rawId = JSON.stringify(message.id)
    const response = await passOn(wished.length === 0 ? text : withoutOwnTasks(text))
    const isOurs = toolsListChanged || own.length > 0
    const isMissing = isOurs && (await isUnknownMethod(response))
    const acknowledged = (raw: string) =>
      withOurs(
        raw,
        toolsListChanged,
        own.map(({ taskId }) => taskId),
      )
    const passed =
      isMissing || response.body === null
        ? response
        : new Response(rewriteEvents(response.body, acknowledged, EVENT_CHARACTERS_MAX), response)
    return joined(requester, passed, isMissing, (send) => {
      const say = (raw: string) => send(withSubscription(raw, rawId))
      if (isMissing) {
        say(
          acknowledged(
            '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{}}}',
          ),
        )
      }
      const stopWatching = toolsListChanged ? listViews.watch(requester, () => say(listChanged)) : () => {}
      const stopNews = taskNews.listen({
        owner,
        ids: own.map(({ id }) => id),
        isMine: () => true,
        news: (id, call) => tasks.news(requester, envelope, id, call),
        tell: say,
      })
      return () => {
        stopWatching()
        stopNews()
      }
    })
  }

  /**
   * The upstream's stream with ours in it, or ours alone where it has none.
   * @param start begins to say things, and returns how to stop
   */
  function joined(
    { principal, accepts, admit }: Pick<Requester, 'principal' | 'accepts' | 'admit'>,
    response: Response,
    isOursAlone: boolean,
    start: (send: (rawMessage: string) => void) => () => void,
  ): Response {
    const isStream = (response.headers.get('content-type') ?? '').toLowerCase().includes('text/event-stream')
    if (isOursAlone ? !accepts.events : response.status !== 200 || !isStream || response.body === null)
      return response
    // One of the upstream is bounded by the upstream, one of ours by what is held here.
    const place = isOursAlone ? held.add(principal, `listens ${++streams}`, () => events.end()) : null
    if (place !== null && !place.ok) return response
    const over = new AbortController()
    const events = createOwnEvents(isOursAlone ? null : response.body, () => {
      over.abort()
      stop()
      if (place?.ok) place.value.release()
      stopping.removeEventListener('abort', events.end)
    })
    const stop = start(events.send)
    void watch()
    if (!isOursAlone) return new Response(events.body, response)
    void response.body?.cancel()
    stopping.addEventListener('abort', events.end, { once: true })
    if (stopping.aborted) events.end()
    return new Response(events.body, { headers: streamHeaders })

    /** Keeps it alive, as long as whoever opened it is let in. */
    async function watch(): Promise<void> {
      for (;;) {
        await clock.sleep(timings.commentMs, over.signal)
        if (over.signal.aborted) return
        if (isOursAlone) events.comment('still listening')
        if ((await standingOf(principal, admit)) === 'out') return events.cut()
      }
    }
  }

  return { onGet, onListen }
}

/** The upstream has no such method: then what is ours is all there is to hear. */
async function isUnknownMethod(response: Response): Promise<boolean> {
  if (!(response.headers.get('content-type') ?? '').toLowerCase().includes('application/json')) return false
  const error = z.object({ error: z.object({ code: z.literal(METHOD_NOT_FOUND) }) })
  return error.safeParse(parseJson(await response.clone().text())).success
}

/** An upstream knows nothing of our tasks. */
function withoutOwnTasks(text: string): string {
  const params = paramsOf(text)
  const notifications = rawMember(params, 'notifications') ?? '{}'
  const wished = z.array(z.string()).parse(parseJson(rawMember(notifications, 'taskIds') ?? '[]'))
  const others = JSON.stringify(wished.filter((taskId) => !isOwnTaskId(taskId)))
  return withMember(
    text,
    'params',
    withMember(params, 'notifications', withMember(notifications, 'taskIds', others)),
  )
}

/** Says that what is ours was subscribed to as well. */
function withOurs(raw: string, toolsListChanged: boolean, ownTasks: readonly string[]): string {
  const peeked = peek(raw)
  if (peeked.kind !== 'notification' || peeked.method !== 'notifications/subscriptions/acknowledged')
    return raw
  const params = paramsOf(raw)
  let notifications = rawMember(params, 'notifications') ?? '{}'
  if (toolsListChanged) notifications = withMember(notifications, 'toolsListChanged', 'true')
  if (ownTasks.length > 0) {
    const theirs = z
      .array(z.string())
      .catch([])
      .parse(parseJson(rawMember(notifications, 'taskIds') ?? '[]'))
    notifications = withMember(notifications, 'taskIds', JSON.stringify([...theirs, ...ownTasks]))
  }
  return withMember(raw, 'params', withMember(params, 'notifications', notifications))
}
