/**
 * The MCP endpoint, mounted at `/mcp`, so that a server is at `/mcp/<server>`. Whoever passes the door gets exactly one
 * answer to each request, from the upstream or from us, and nothing that was not understood reaches an upstream.
 */
import { type Context, Hono } from 'hono'
import type { ClientBudget } from '../../domain/hold-budget.ts'
import type { Limits } from '../../domain/limits.ts'
import type { OnClientGone } from '../../domain/policy/rule.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Counters } from '../../ports/counters.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { Log } from '../../ports/log.ts'
import type { Random } from '../../ports/random.ts'
import type { Rules } from '../../ports/rules.ts'
import type { WakeUps } from '../../ports/wake-ups.ts'
import type { Ask } from '../../services/ask.ts'
import type { AwaitOutcome } from '../../services/await-outcome.ts'
import type { FindEarlier } from '../../services/earlier-call.ts'
import { createJudge } from '../../services/judge.ts'
import { createLimiter } from '../../services/limits.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import type { Pollers } from '../../services/pollers.ts'
import type { RecordVerdict } from '../../services/record-verdicts.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import type { createUpstreamSession } from '../upstream/session.ts'
import type { Upstream } from '../upstream/wire.ts'
import { readAccepts } from './accepts.ts'
import { BODY_MS, createReadBody } from './body.ts'
import { asResponse } from './delivery.ts'
import { admitOf, type DoorDeps, type McpEnv, passDoor } from './door.ts'
import { isOwnEventId } from './event-ids.ts'
import { createForward, type PassHeaders } from './forward.ts'
import { createGate } from './gate.ts'
import type { HeldRequests } from './held-requests.ts'
import { createHidingFor } from './hidden-tools.ts'
import { createLadder } from './ladder.ts'
import type { InputSchemaOf } from './mirrored-params.ts'
import { createOnPost, type From, notAcceptable } from './on-post.ts'
import { httpCode, INTERNAL_ERROR, refusal, refusalResponse } from './rpc.ts'
import { createOpenSessionOf, createSessionSeal, sessionNotFound } from './sealed-session.ts'
import { notInModern, spokenByHeader } from './spoken.ts'
import { createOldSessions, opensOldSession } from './sse/old-sessions.ts'
import type { ToolsSeen } from './watch-lists.ts'

export interface McpDeps extends DoorDeps {
  readonly upstreams: ReadonlyMap<string, Upstream>
  /** The path below which this gateway is served under this name; without a slash at its end. */
  prefixAt(host: string): string
  /** Methods beyond the negotiated revision that an operator lets through to this server. */
  extraMethods(server: string): readonly string[]
  readonly passHeaders: PassHeaders
  readonly rules: Rules
  /** Where a person sets a server up that has no policy; `null`: no address is known that they could follow. */
  setUpLink(server: string): string | null
  readonly stops: Pick<StopsInForce, 'over'>
  readonly counters: Counters
  readonly random: Random
  readonly ask: Ask
  readonly findEarlier: FindEarlier
  readonly held: HeldRequests
  readonly awaitOutcome: AwaitOutcome
  readonly ownCalls: OwnCalls
  readonly pollers: Pollers
  readonly markDelivered: Ledger['markDelivered']
  readonly createSession: typeof createUpstreamSession
  readonly toolsSeen: ToolsSeen
  readonly inputSchemaOf: InputSchemaOf
  /** Every tool that was ever seen on a server. */
  toolNames(server: string): readonly string[]
  /** Calls back when other rules or stops are in force. */
  onRulesChange(listener: () => void): void
  readonly onWakeUp: WakeUps['onWakeUp']
  readonly read: Ledger['get']
  /** 32 bytes, the same for all gateways and after a restart. */
  readonly sealKey: Uint8Array
  readonly limits: Limits
  readonly timings: Timings
  readonly clientBudgets: readonly ClientBudget[]
  /** How long an operator wants the requests of this agent to be held; `null`: as its client is known to wait. */
  agentHoldMs(agent: string): number | null
  /** What happens to its approved calls when it is gone, where no rule says anything. */
  onClientGoneOf(agent: string): OnClientGone | null
  readonly recordVerdict: RecordVerdict
  readonly clock: Clock
  /** Aborted when this gateway stops. */
  readonly stopping: AbortSignal
  readonly log: Log
}

export function createMcpRoutes(deps: McpDeps): Hono<McpEnv> {
  const { upstreams, rules, sealKey, limits, held, log } = deps
  const seal = createSessionSeal(sealKey)
  const forward = createForward({ ...deps, seal })
  const hidingFor = createHidingFor(rules)
  const openSessionOf = createOpenSessionOf(seal)
  const ladder = createLadder({ ...deps, held, hidingFor })
  const gate = createGate({
    ...ladder,
    judge: createJudge(deps),
    rules,
    setUpLink: deps.setUpLink,
    stops: deps.stops,
    limiter: createLimiter(deps),
    recordVerdict: deps.recordVerdict,
    inputSchemaOf: deps.inputSchemaOf,
    clock: deps.clock,
    log,
  })
  const readBody = createReadBody(limits, BODY_MS)
  const onPost = createOnPost({ ...deps, ...ladder, readBody, openSessionOf, held, gate, forward })
  const app = new Hono<McpEnv>()

  const old = createOldSessions({ ...deps, onPost, onBodiless })

  app.all('/:server', (c) => serve(c, c.req.param('server')))
  // Some clients (MCP Inspector up to 1.x) cut every URL down to one that ends in `/mcp`; those of HTTP+SSE expect `/sse`.
  app.all('/:server/mcp', (c) => serve(c, c.req.param('server')))
  app.all('/:server/sse', (c) => serve(c, c.req.param('server')))
  app.post('/:server/messages', async (c) => {
    const from = await enter(c, c.req.param('server'))
    return from instanceof Response ? from : old.post(from, c.req.query('sessionId') ?? '')
  })

  /** Through the door, to a server that is there. */
  async function enter(c: Context<McpEnv>, server: string): Promise<From | Response> {
    c.set('answering', null)
    const door = await passDoor(c, server, deps)
    if (!door.ok) return door.error
    const upstream = upstreams.get(server)
    if (upstream === undefined) return unknownServer([...upstreams.keys()])
    const admit = admitOf(c, server, deps)
    return { request: c.req.raw, principal: door.value, upstream, delivery: asResponse, admit }
  }

  async function serve(c: Context<McpEnv>, server: string): Promise<Response> {
    const from = await enter(c, server)
    if (from instanceof Response) return from
    switch (c.req.method) {
      case 'POST':
        return onPost(from, (id) => c.set('answering', id))
      case 'GET':
        if (opensOldSession(from.request.headers)) return old.open(from, pathOf(c, server))
        return onBodiless(from, 'GET')
      case 'DELETE':
        return onBodiless(from, 'DELETE')
      default:
        return refusalResponse(methodNotAllowed(), { allow: 'POST, GET, DELETE' })
    }
  }

  app.onError((error, c) => {
    log.error({ err: error }, 'a request could not be answered')
    const message = 'Something went wrong inside the gateway; its log says what.'
    return refusalResponse(refusal(500, INTERNAL_ERROR, message, c.get('answering') ?? null))
  })

  /** The stream of a legacy session, or its end. */
  async function onBodiless(from: From, method: 'GET' | 'DELETE'): Promise<Response> {
    const { request, principal, upstream, delivery, admit } = from
    const { headers, signal } = request
    const spoken = spokenByHeader(headers)
    if (!spoken.ok) return refusalResponse(spoken.error)
    if (spoken.value.era === 'modern') return refusalResponse(notInModern(), { allow: 'POST' })
    const session = openSessionOf(from, spoken.value)
    if (!session.ok) return refusalResponse(sessionNotFound(null))
    const client = session.value?.client ?? null
    const common = {
      upstream,
      principal,
      headers,
      spoken: spoken.value,
      session: session.value,
      client,
      delivery,
      admit,
      signal,
    }
    const lastEventId = headers.get('last-event-id')
    const accepts = readAccepts(headers.get('accept'))
    if (method === 'GET' && lastEventId !== null && isOwnEventId(lastEventId)) {
      return accepts === null
        ? refusalResponse(notAcceptable())
        : ladder.resumeStream({ ...common, accepts }, lastEventId)
    }
    const passOn = () =>
      forward({
        ...common,
        ...{ method, body: null, id: null, isAnswered: false },
        // A resumed stream can repeat the answer to an earlier tools/list.
        rewrite: hidingFor(upstream.server, spoken.value.era),
        onUnsent: null,
      })
    return method === 'GET' && accepts !== null
      ? ladder.listens.onGet({ ...common, accepts }, passOn)
      : passOn()
  }

  /** As this client sees it: a proxy in front of us may serve us below a path of its own. */
  function pathOf(c: Context<McpEnv>, server: string): string {
    const prefix = deps.prefixAt(c.req.header('host') ?? '')
    return `${prefix}/mcp/${encodeURIComponent(server)}`
  }

  return app
}

const unknownServer = (names: readonly string[]) =>
  refusalResponse(
    refusal(
      404,
      httpCode(404),
      `There is no such server here. There are: ${names.join(', ')}. Use /mcp/<server>.`,
    ),
  )

const methodNotAllowed = () => refusal(405, httpCode(405), 'Only POST, GET and DELETE are answered here.')
