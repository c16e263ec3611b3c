/** `tasks/list` of 2025-11-25: what the upstream lists, and after it the paused calls of this agent. */
import { z } from 'zod'
import type { Timings } from '../../domain/timings.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import { rawItems, rawMember, withMember } from '../raw-json.ts'
import { parseJson } from '../upstream/peek.ts'
import type { Rewrite } from './hidden-tools.ts'
import type { Requester } from './requester.ts'
import { METHOD_NOT_FOUND } from './rpc.ts'
import type { TaskIds } from './task-id.ts'
import { taskFields } from './task-view.ts'

export type ListOwnTasks = (requester: Requester) => Promise<Rewrite>

const pageSchema = z.object({
  result: z.object({ tasks: z.array(z.unknown()), nextCursor: z.string().optional() }),
})
const noTasksSchema = z.object({ error: z.object({ code: z.literal(METHOD_NOT_FOUND) }) })

export function createListOwnTasks(deps: {
  ownCalls: Pick<OwnCalls, 'list'>
  taskIds: TaskIds
  clock: { wallMs(): number }
  timings: Pick<Timings, 'keepOutcomeMs' | 'startByMs' | 'pollMs' | 'coolDownMs'>
}): ListOwnTasks {
  const { ownCalls, taskIds, clock, timings } = deps
  return async function listOwnTasks({ principal, upstream }) {
    const owner = { principal, server: upstream.server }
    const own = (await ownCalls.list(owner)).map((approval) =>
      JSON.stringify(
        taskFields(taskIds.idOf(approval.id, owner), approval, clock.wallMs(), 'legacy', timings),
      ),
    )
    return function withOwnTasks(rawMessage) {
      const parsed = parseJson(rawMessage)
      // An upstream without tasks says so; then ours are all there are.
      if (noTasksSchema.safeParse(parsed).success) {
        return `{"jsonrpc":"2.0","id":${rawMember(rawMessage, 'id') ?? 'null'},"result":{"tasks":[${own.join(',')}]}}`
      }
      const page = pageSchema.safeParse(parsed)
      if (!page.success || page.data.result.nextCursor !== undefined) return rawMessage
      const result = rawMember(rawMessage, 'result') ?? '{}'
      const tasks = [...rawItems(rawMember(result, 'tasks') ?? '[]'), ...own]
      return withMember(rawMessage, 'result', withMember(result, 'tasks', `[${tasks.join(',')}]`))
    }
  }
}
