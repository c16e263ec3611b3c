/**
 * Puts together the ways in which clients wait for people, and what each of them sees of the others: tasks, held streams
 * that can be resumed, states that send a client back, and a tool to wait with.
 */
import type { ClientBudget } from '../../domain/hold-budget.ts'
import type { Limits } from '../../domain/limits.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { Log } from '../../ports/log.ts'
import type { Rules } from '../../ports/rules.ts'
import type { WakeUps } from '../../ports/wake-ups.ts'
import type { Ask } from '../../services/ask.ts'
import type { AwaitOutcome } from '../../services/await-outcome.ts'
import type { FindEarlier } from '../../services/earlier-call.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import type { Pollers } from '../../services/pollers.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import type { createUpstreamSession } from '../upstream/session.ts'
import { createAdvertise } from './advertised.ts'
import { createStreamSeal } from './event-ids.ts'
import { createFrontedTasks } from './fronted-task.ts'
import { createHoldCall } from './held-call.ts'
import type { HeldRequests } from './held-requests.ts'
import type { HidingFor } from './hidden-tools.ts'
import { createOpenHold } from './hold.ts'
import { createListViews } from './list-views.ts'
import { createListens } from './listening.ts'
import { createListOwnTasks } from './own-task-list.ts'
import { createPause } from './pause.ts'
import { createRequestStates } from './request-state.ts'
import { createUpstreamSessionOf } from './requester.ts'
import { createResumeStream } from './resume-stream.ts'
import { createTaskIds } from './task-id.ts'
import { createTaskNews } from './task-news.ts'
import { createTaskResult } from './task-result.ts'
import { createTasks } from './tasks.ts'
import { createWaitTool } from './wait-tool.ts'
import { createWaitingTerms } from './waiting-terms.ts'
import type { ToolsSeen } from './watch-lists.ts'

export function createLadder(deps: {
  rules: Rules
  stops: Pick<StopsInForce, 'over'>
  extraMethods(server: string): readonly string[]
  toolNames(server: string): readonly string[]
  onRulesChange(listener: () => void): void
  onWakeUp: WakeUps['onWakeUp']
  read: Ledger['get']
  ask: Ask
  findEarlier: FindEarlier
  awaitOutcome: AwaitOutcome
  ownCalls: OwnCalls
  pollers: Pollers
  markDelivered: Ledger['markDelivered']
  createSession: typeof createUpstreamSession
  toolsSeen: ToolsSeen
  held: HeldRequests
  hidingFor: HidingFor
  clientBudgets: readonly ClientBudget[]
  agentHoldMs(agent: string): number | null
  sealKey: Uint8Array
  limits: Limits
  timings: Timings
  clock: Clock
  stopping: AbortSignal
  log: Log
}) {
  const { sealKey } = deps
  const terms = createWaitingTerms(deps)
  const upstreamSessionOf = createUpstreamSessionOf(deps)
  const holdCall = createHoldCall({ ...deps, upstreamSessionOf, openHold: createOpenHold(deps) })
  const streams = createStreamSeal(sealKey)
  const taskIds = createTaskIds(sealKey)
  const taskResult = createTaskResult({ ...deps, holdCall, streams })
  const fronted = createFrontedTasks(deps)
  const tasks = createTasks({ ...deps, taskIds, taskResult, upstreamSessionOf, fronted })
  const waitTool = createWaitTool({ ...deps, holdCall, upstreamSessionOf, terms })
  const waiting = { holdCall, streams, terms, waitTool }
  const listViews = createListViews({ ...deps, terms })
  const requestStates = createRequestStates(sealKey)
  return {
    listViews,
    listens: createListens({ ...deps, listViews, taskNews: createTaskNews(deps), tasks, taskIds }),
    tasks,
    waitTool,
    pause: createPause({ ...deps, ...waiting, createTask: tasks.create, requestStates }),
    resumeStream: createResumeStream({ ...deps, ...waiting }),
    advertise: createAdvertise({ ...deps, ...waiting }),
    listOwnTasks: createListOwnTasks({ ...deps, taskIds }),
  }
}
