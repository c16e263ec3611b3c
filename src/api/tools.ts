/** Pinned tools for people: which changed since somebody accepted them, how, and accepting exactly what was looked at. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Person } from '../domain/principal.ts'
import { diffOf } from '../domain/risk/drift.ts'
import type { Log } from '../ports/log.ts'
import type { ToolPin, ToolPins } from '../ports/tool-pins.ts'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import {
  acceptBody,
  type PinnedToolView,
  pinnedTools,
  toolDetail,
  toolParam,
  toolsQuery,
} from './tool-schemas.ts'
import { iso } from './view.ts'

export interface ToolsDeps {
  readonly toolPins: ToolPins
  /** Who may decide about calls to this server. */
  mayAccept(person: Person, server: string): boolean
  /** Lets this gateway go by it at once; the others follow within a second. */
  onAccepted(): Promise<void>
  readonly log: Log
}

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listTools',
  summary: 'The tools that were seen, with what waits to be accepted',
  security,
  request: { query: toolsQuery },
  responses: {
    200: { description: 'All of them', content: json(pinnedTools) },
    ...refusalsOfInput,
    ...notFound,
  },
})
const showRoute = createRoute({
  method: 'get',
  path: '/{server}/{tool}',
  operationId: 'showTool',
  summary: 'One tool, and what changed about it',
  security,
  request: { params: toolParam },
  responses: { 200: { description: 'The tool', content: json(toolDetail) }, ...refusalsOfInput, ...notFound },
})
const acceptRoute = createRoute({
  method: 'post',
  path: '/{server}/{tool}/accept',
  operationId: 'acceptTool',
  summary: 'Take the definition that waits, or keep the accepted one',
  security,
  request: { params: toolParam, body: { required: true, content: json(acceptBody) } },
  responses: {
    200: { description: 'Accepted', content: json(toolDetail) },
    ...refusalsOfInput,
    ...notFound,
    ...conflicts,
  },
})

const noSuchTool = {
  status: 404,
  code: 'not_found',
  message: 'No tool of this name was seen on this server.',
} as const satisfies ApiError
const notYours = {
  status: 403,
  code: 'not_an_approver',
  message: 'Only people who may decide about calls to this server accept its tools.',
} as const satisfies ApiError
const movedOn = {
  status: 409,
  code: 'moved_on',
  message: 'Nothing with this digest waits: it was accepted already, or the server changed it again.',
  remedy: 'Look at the tool again before you accept it.',
} as const satisfies ApiError

export function toolRoutes({ toolPins, mayAccept, onAccepted, log }: ToolsDeps) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })
  const pinOf = async (server: string, tool: string) =>
    (await toolPins.all()).find((pin) => pin.server === server && pin.tool === tool) ?? null

  app.openapi(listRoute, async (c) => {
    const { server, state } = c.req.valid('query')
    const pins = (await toolPins.all())
      .filter((pin) => server === undefined || pin.server === server)
      .filter((pin) => state === 'all' || pin.waiting !== null)
    return c.json({ tools: pins.map(toView) }, 200)
  })

  app.openapi(showRoute, async (c) => {
    const { server, tool } = c.req.valid('param')
    const pin = await pinOf(server, tool)
    if (pin === null) return c.json(toBody(noSuchTool), noSuchTool.status)
    return c.json(toDetail(pin), 200)
  })

  app.openapi(acceptRoute, async (c) => {
    const { server, tool } = c.req.valid('param')
    const { digest } = c.req.valid('json')
    const person = c.get('person')
    if (!mayAccept(person, server)) return c.json(toBody(notYours), notYours.status)
    if ((await pinOf(server, tool)) === null) return c.json(toBody(noSuchTool), noSuchTool.status)
    const wasAccepted = await toolPins.accept(server, tool, digest, person.id)
    const pin = await pinOf(server, tool)
    if (!wasAccepted || pin === null) return c.json(toBody(movedOn), movedOn.status)
    log.info({ server, tool, digest, person: person.id }, 'a person accepted the definition of a tool')
    await onAccepted()
    return c.json(toDetail(pin), 200)
  })

  return app
}

function toView({ server, tool, accepted, waiting }: ToolPin): PinnedToolView {
  const state = waiting === null ? 'accepted' : accepted === null ? 'new' : 'changed'
  return {
    server,
    tool,
    state,
    accepted: accepted && { ...partOf(accepted), by: accepted.by },
    waiting: waiting && partOf(waiting),
  }
}

const partOf = ({ digest, category, risk, atMs }: NonNullable<ToolPin['waiting']>) => ({
  digest,
  category,
  risk,
  at: iso(atMs),
})

function toDetail(pin: ToolPin) {
  const { accepted, waiting } = pin
  const { lines, isComplete } =
    waiting === null ? { lines: [], isComplete: true } : diffOf(accepted?.text ?? null, waiting.text)
  return {
    tool: toView(pin),
    difference: [...lines],
    isComplete,
    definition: (waiting ?? accepted)?.text ?? '',
  }
}
