/** The REST API for programs of people, and for agents that look after their own calls. Mounted at `/api/v1`. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { Timings } from '../domain/timings.ts'
import { LedgerAway, NewerForm, writtenByNewer } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { People } from '../services/decide.ts'
import type { Grants } from '../services/grants.ts'
import type { PolicyChanges } from '../services/policy-changes.ts'
import type { SetUps } from '../services/set-up.ts'
import type { StopChanges } from '../services/stop-changes.ts'
import type { Suggest } from '../services/suggest.ts'
import { approvalRoutes, type ReadingLedger } from './approvals.ts'
import { callRoutes } from './calls.ts'
import { type DecisionsDeps, decisionRoutes } from './decisions.ts'
import { grantRoutes } from './grants.ts'
import {
  type ApiEnv,
  type Authenticate,
  neverStored,
  onlyAgents,
  onlyAllowedOrigins,
  onlyPeople,
  refuse,
} from './guard.ts'
import { policyRoutes } from './policies.ts'
import { setUpRoutes } from './set-ups.ts'
import { stopRoutes } from './stops.ts'
import { type ToolsDeps, toolRoutes } from './tools.ts'

export interface ApiDeps extends ToolsDeps {
  readonly ledger: ReadingLedger
  readonly people: People
  readonly policies: PolicyChanges
  readonly suggest: Suggest
  readonly setUps: SetUps
  readonly decisions: DecisionsDeps
  readonly stops: StopChanges
  readonly grants: Grants
  readonly timings: Timings
  readonly authenticate: Authenticate
  /** Asked only about requests that carry an `Origin`. */
  isOriginAllowed(origin: string): boolean
  readonly log: Log
}

/** A decision is a digest and a sentence; whatever is larger is not one. */
const BODY_BYTES_MAX = 64 * 1024
/** An edit carries the arguments of a call, and a policy is a file; JSON may write a character of them with six. */
const EDIT_BYTES_MAX = 2 * 1024 * 1024

export function createApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { authenticate, isOriginAllowed, log } = deps
  const app = new OpenAPIHono<ApiEnv>()

  app.use('*', neverStored, onlyAllowedOrigins(isOriginAllowed))
  app.use('/approvals/*', onlyPeople(authenticate))
  app.use('/policies/*', onlyPeople(authenticate))
  app.use('/set-ups/*', onlyPeople(authenticate))
  app.use('/decisions/*', onlyPeople(authenticate))
  app.use('/stops/*', onlyPeople(authenticate))
  app.use('/grants/*', onlyPeople(authenticate))
  app.use('/calls/*', onlyAgents(authenticate))
  app.use('/tools/*', onlyPeople(authenticate))
  const ofAnEdit = limitTo(EDIT_BYTES_MAX)
  const ofAnythingElse = limitTo(BODY_BYTES_MAX)
  const isLarge = (path: string) =>
    path.endsWith('/edit') || /\/policies\/[^/]+\/(preview|put|simulate)$/.test(path)
  app.use('*', (c, next) => (isLarge(c.req.path) ? ofAnEdit(c, next) : ofAnythingElse(c, next)))
  app.route('/approvals', approvalRoutes(deps))
  app.route('/policies', policyRoutes(deps))
  app.route('/set-ups', setUpRoutes(deps))
  app.route('/decisions', decisionRoutes(deps.decisions))
  app.route('/stops', stopRoutes(deps))
  app.route('/grants', grantRoutes(deps))
  app.route('/calls', callRoutes(deps))
  app.route('/tools', toolRoutes(deps))

  for (const [name, whose] of Object.entries({ person: 'hpp_… of a person', agent: 'of an agent' })) {
    app.openAPIRegistry.registerComponent('securitySchemes', name, {
      type: 'http',
      scheme: 'bearer',
      description: `token ${whose}`,
    })
  }
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Holdpoint', version: '1', description: 'Human approval of MCP tool calls.' },
    servers: [{ url: '/api/v1' }],
  })

  app.all('*', (c) =>
    refuse(c, {
      status: 404,
      code: 'no_such_route',
      message: 'There is nothing here.',
      remedy: 'GET /api/v1/openapi.json lists what there is.',
    }),
  )
  app.onError((error, c) => {
    if (error instanceof HTTPException && error.status === 415) {
      return refuse(c, {
        status: 415,
        code: 'not_json',
        message: 'Send the body with Content-Type: application/json.',
      })
    }
    if (error instanceof HTTPException && error.status < 500) {
      return refuse(c, { status: 400, code: 'invalid_request', message: 'The body is not valid JSON.' })
    }
    if (error instanceof NewerForm) {
      const { unread } = error
      return refuse(c, {
        status: 409,
        code: 'newer_form',
        message: `${unread.id} was ${writtenByNewer(unread)}.`,
        remedy: 'Look at it through a gateway of the newer version; GET /readyz says how many there are.',
      })
    }
    if (error instanceof LedgerAway) {
      log.warn({ err: error, path: c.req.path }, 'the API waits for the ledger')
      return refuse(c, {
        status: 503,
        code: 'ledger_away',
        message: 'The database does not answer right now, so nothing can be read or decided.',
        remedy: 'Try again in a moment, and look at the approval first; GET /readyz says what is wrong.',
      })
    }
    // What a stranger learns is nothing; a save may have succeeded before the fault, so nothing is claimed about it.
    log.error({ err: error, path: c.req.path }, 'the API could not answer')
    return refuse(c, {
      status: 500,
      code: 'internal',
      message: 'The gateway could not answer. Whether your request took effect is not known.',
      remedy: 'Look at the approval before you repeat it; repeating is safe.',
    })
  })
  return app
}

const limitTo = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: (c) =>
      refuse(c, {
        status: 413,
        code: 'body_too_large',
        message: `The body is larger than ${maxSize} bytes.`,
      }),
  })
