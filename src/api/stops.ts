/** The kill switch for people: everybody sees what is stopped; operators stop and lift. Who may is checked by the services. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { CLI } from '../domain/command-line.ts'
import { everything, type Stop, type StopScope, scopeText } from '../domain/stop.ts'
import type { StopChanges, StopRefusal } from '../services/stop-changes.ts'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import {
  type StopBody,
  type StopView,
  stopBody,
  stopLifted,
  stopPage,
  stopParam,
  stopPut,
  stopsQuery,
} from './stop-schemas.ts'
import { iso } from './view.ts'

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })
const responses = { ...refusalsOfInput, ...notFound, ...conflicts }

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listStops',
  summary: 'What is stopped now, oldest first; or everything that ever was, newest first',
  security,
  request: { query: stopsQuery },
  responses: { 200: { description: 'The stops', content: json(stopPage) }, ...responses },
})

const putRoute = createRoute({
  method: 'post',
  path: '/',
  operationId: 'stop',
  summary: 'Stops an agent, a server, a tool or everything, from the next call on; cancels what waits',
  security,
  request: { body: { required: true, content: json(stopBody) } },
  responses: { 200: { description: 'It is stopped', content: json(stopPut) }, ...responses },
})

const liftRoute = createRoute({
  method: 'post',
  path: '/{number}/lift',
  operationId: 'liftStop',
  summary: 'Lets the calls pass again, as the policy says',
  security,
  request: { params: stopParam },
  responses: { 200: { description: 'It is lifted', content: json(stopLifted) }, ...responses },
})

export function stopRoutes({ stops }: { stops: StopChanges }) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(listRoute, async (c) => {
    const { lifted, limit, before } = c.req.valid('query')
    if (lifted === 'false') return c.json({ stops: (await stops.inForce()).map(toView), next: null }, 200)
    const found = await stops.history(limit, before ?? null)
    const last = found.length < limit ? undefined : found.at(-1)
    return c.json({ stops: found.map(toView), next: last?.number ?? null }, 200)
  })

  app.openapi(putRoute, async (c) => {
    const body = c.req.valid('json')
    const put = await stops.put(scopeOf(body), body.reason, c.get('person'))
    if (put.ok) return c.json({ ...put.value, stop: toView(put.value.stop) }, 200)
    const error = errorOf(put.error)
    return c.json(toBody(error), error.status)
  })

  app.openapi(liftRoute, async (c) => {
    const lifted = await stops.lift(c.req.valid('param').number, c.get('person'))
    if (lifted.ok) return c.json({ stop: toView(lifted.value) }, 200)
    const error = errorOf(lifted.error)
    return c.json(toBody(error), error.status)
  })

  return app
}

function scopeOf(body: StopBody): StopScope {
  if ('everything' in body) return everything
  const { server = null, tool = null, agent = null, owner = null } = body
  return { server, tool, agent, owner }
}

const toView = ({ number, scope, reason, by, atMs, lifted }: Stop): StopView => ({
  ...{ number, covers: { ...scope }, reason, by, at: iso(atMs) },
  lifted: lifted === null ? null : { by: lifted.by, at: iso(lifted.atMs) },
})

function errorOf(refusal: StopRefusal): ApiError {
  switch (refusal.reason) {
    case 'not_an_operator':
      return {
        status: 403,
        code: 'not_an_operator',
        message: 'Only operators stop agents and servers and lift that, and you are not one of them.',
        remedy: 'Operators are named in holdpoint.yaml: operators: [mina]',
      }
    case 'no_such_server':
      return {
        status: 404,
        code: 'no_such_server',
        message: `Nothing was stopped: there is no such server. There are: ${refusal.servers.join(', ')}.`,
        field: 'server',
      }
    case 'too_many_stops':
      return {
        status: 409,
        code: 'too_many_stops',
        message: `Nothing was stopped: ${refusal.max} stops are in force, which is as many as there may be.`,
        remedy: `Stop a whole server or everything, or lift some: \`${CLI} stops list\`.`,
      }
    case 'no_such_stop':
      return {
        status: 404,
        code: 'no_such_stop',
        message: `There is no stop ${refusal.number}.`,
        remedy: `\`${CLI} stops list\` shows what is stopped.`,
      }
    case 'lifted_before': {
      const { number, scope, lifted } = refusal.stop
      return {
        status: 409,
        code: 'lifted_before',
        message: `Stop ${number} (${scopeText(scope)}) was lifted by ${lifted?.by ?? 'somebody'} before.`,
      }
    }
  }
}
