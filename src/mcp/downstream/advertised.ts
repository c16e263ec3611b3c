/**
 * What clients are told that we add to a server: that calls can be waited for as tasks, and a tool to wait with. Everything
 * else an upstream says about itself keeps its bytes.
 */
import { z } from 'zod'
import { asksAnything, mayAsk, type Policy } from '../../domain/policy.ts'
import type { Rules } from '../../ports/rules.ts'
import { mergeObjects, rawMember, withMember } from '../raw-json.ts'
import { parseJson } from '../upstream/peek.ts'
import { TASKS_EXTENSION } from './envelope.ts'
import { type HidingFor, type Rewrite, withTools } from './hidden-tools.ts'
import { objectMember, stringMember } from './json.ts'
import type { RequestMessage } from './message.ts'
import type { Requester } from './requester.ts'
import { type WaitTool, waitToolDefinition } from './wait-tool.ts'
import type { WaitingTerms } from './waiting-terms.ts'

/** What is changed in the answer to this request; `null`: nothing. */
export type Advertise = (requester: Requester, message: RequestMessage) => Promise<Rewrite | null>

const TASK_REVISION = '2025-11-25'

export function createAdvertise(deps: {
  rules: Rules
  hidingFor: HidingFor
  terms: WaitingTerms
  waitTool: WaitTool
}): Advertise {
  const { rules, hidingFor, terms, waitTool } = deps

  return async function advertise(requester, message) {
    const policy = rules.of(requester.upstream.server)?.policy
    if (policy === undefined || !asksAnything(policy)) {
      return message.method === 'tools/list'
        ? hidingFor(requester.upstream.server, requester.spoken.era)
        : withListChanges
    }
    switch (message.method) {
      case 'initialize':
        return (raw) => withListChanges(withTaskCapability(raw))
      case 'server/discover':
        return (raw) => withListChanges(withTasksExtension(raw))
      case 'tools/list':
        return listing(requester, message, policy)
      default:
        return null
    }
  }

  async function listing(requester: Requester, message: RequestMessage, policy: Policy): Promise<Rewrite> {
    const { spoken, upstream } = requester
    const hide = hidingFor(upstream.server, spoken.era)
    const comesBack = terms.comesBack(requester)
    const isFirstPage = stringMember(message.params, 'cursor') === null
    // Only who sees the whole list at once knows which names are taken.
    const known =
      comesBack && !isFirstPage
        ? await waitTool.resolve(requester, objectMember(message.params, '_meta'))
        : null
    return function asListed(rawMessage) {
      const listed = parsedList(rawMessage)
      if (listed === null) return rawMessage
      const name = isFirstPage && listed.isLast ? waitTool.learn(requester, listed.names) : known
      const shown = hide === null ? rawMessage : hide(rawMessage)
      return withTools(shown, spoken.era, (rawTools) => {
        const tools =
          spoken.revision === TASK_REVISION ? rawTools.map((raw) => asTask(raw, policy)) : rawTools
        const isAdded = comesBack && listed.isLast && name !== null
        return isAdded ? [...tools, JSON.stringify(waitToolDefinition(name))] : tools
      })
    }
  }
}

/** A call that a person decides about can be waited for as a task, whatever the tool can do by itself. */
function asTask(rawTool: string, policy: Policy): string {
  const named = namedSchema.safeParse(parseJson(rawTool))
  if (!named.success || !mayAsk(policy, named.data.name)) return rawTool
  const execution = rawMember(rawTool, 'execution') ?? '{}'
  const base = execution.startsWith('{') ? execution : '{}'
  return withMember(rawTool, 'execution', withMember(base, 'taskSupport', '"optional"'))
}

const pageSchema = z.object({
  result: z.object({ tools: z.array(z.unknown()), nextCursor: z.string().optional() }),
})
const namedSchema = z.object({ name: z.string() })

function parsedList(rawMessage: string): { names: string[]; isLast: boolean } | null {
  const page = pageSchema.safeParse(parseJson(rawMessage))
  if (!page.success) return null
  const { tools, nextCursor } = page.data.result
  const names = tools.flatMap((tool) => {
    const named = namedSchema.safeParse(tool)
    return named.success ? [named.data.name] : []
  })
  return { names, isLast: nextCursor === undefined }
}

const initializedSchema = z.object({ result: z.object({ protocolVersion: z.literal(TASK_REVISION) }) })
const discoveredSchema = z.object({ result: z.object({ capabilities: z.looseObject({}) }) })

/** Tasks are negotiated once, when the session opens. */
function withTaskCapability(rawMessage: string): string {
  if (!initializedSchema.safeParse(parseJson(rawMessage)).success) return rawMessage
  return inCapabilities(rawMessage, (capabilities) => {
    const tasks = memberOf(capabilities, 'tasks')
    const requests = memberOf(tasks, 'requests')
    const call = withMember(memberOf(requests, 'tools'), 'call', '{}')
    const ours = withMember(
      mergeObjects(tasks, '{"list":{},"cancel":{}}'),
      'requests',
      withMember(requests, 'tools', call),
    )
    return withMember(capabilities, 'tasks', ours)
  })
}

function withTasksExtension(rawMessage: string): string {
  if (!discoveredSchema.safeParse(parseJson(rawMessage)).success) return rawMessage
  return inCapabilities(rawMessage, (capabilities) => {
    const extensions = memberOf(capabilities, 'extensions')
    if (rawMember(extensions, TASKS_EXTENSION) !== null) return capabilities
    return withMember(capabilities, 'extensions', withMember(extensions, TASKS_EXTENSION, '{}'))
  })
}

const withToolsSchema = z.object({
  result: z.object({ capabilities: z.object({ tools: z.looseObject({}) }) }),
})

/** What is in force can change a list at any time, whatever the server says of itself. */
function withListChanges(rawMessage: string): string {
  const said = withToolsSchema.safeParse(parseJson(rawMessage))
  if (!said.success || said.data.result.capabilities.tools.listChanged === true) return rawMessage
  return inCapabilities(rawMessage, (capabilities) =>
    withMember(capabilities, 'tools', withMember(memberOf(capabilities, 'tools'), 'listChanged', 'true')),
  )
}

function inCapabilities(rawMessage: string, change: (capabilities: string) => string): string {
  const result = memberOf(rawMessage, 'result')
  return withMember(
    rawMessage,
    'result',
    withMember(result, 'capabilities', change(memberOf(result, 'capabilities'))),
  )
}

/** The raw object under this name, an empty one where there is none. */
function memberOf(rawObject: string, name: string): string {
  const member = rawMember(rawObject, name)
  return member?.startsWith('{') ? member : '{}'
}
