/** The console for people: the live queue, one approval with its decision, the history. Every page needs a session. */
import { type Context, Hono } from 'hono'
import { parseApprovalId } from '../domain/approval-id.ts'
import type { Person } from '../domain/principal.ts'
import type { Timings } from '../domain/timings.ts'
import type { Accounts } from '../ports/accounts.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import { NewerForm, writtenByNewer } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { Outcomes } from '../ports/outcomes.ts'
import type { Sessions } from '../ports/sessions.ts'
import type { WakeUps } from '../ports/wake-ups.ts'
import type { People } from '../services/decide.ts'
import type { Grants } from '../services/grants.ts'
import type { SetUps } from '../services/set-up.ts'
import type { StopChanges } from '../services/stop-changes.ts'
import type { StopsInForce } from '../services/stops-in-force.ts'
import type { ToolReviews } from '../services/tool-reviews.ts'
import { accountsRoutes } from './accounts-page.tsx'
import { actRoute } from './act.tsx'
import { agentsRoutes } from './agents.ts'
import { ApprovalArticle, type ApprovalView, approvalPage, stateMark } from './approval-page.tsx'
import { assets } from './assets.ts'
import { createAttempts } from './attempts.ts'
import { grantsRoutes } from './grants-page.tsx'
import { type ConsoleEnv, cookieFor, onlySignedIn, pageHeaders } from './guard.ts'
import { historyPage } from './history-page.tsx'
import { type Reader, UNSEEN_MAX } from './layout.tsx'
import { createLive } from './live.ts'
import { problemPage } from './problem-page.tsx'
import { Queue, queuePage, queueTitle } from './queue-page.tsx'
import { setUpRoutes } from './set-up-page.tsx'
import { isShow, settledPage } from './settled.ts'
import { askToSignIn, signInRoutes } from './sign-in.tsx'
import { stopsRoutes } from './stops-page.tsx'
import { toolsRoutes } from './tools.ts'

export interface ConsoleDeps {
  readonly ledger: Pick<Ledger, 'nowMs' | 'get' | 'list' | 'auditTrail' | 'waitingNodes' | 'lateReplies'>
  readonly people: People
  readonly outcomes: Outcomes
  readonly timings: Timings
  readonly sessions: Sessions
  readonly wakeUps: WakeUps
  /** The read-only view of the queues, made for `/queues`. */
  readonly board: { fetch(request: Request): Response | Promise<Response> }
  /** Whether some rule lets this person decide. Only they see the machinery. */
  isApprover(person: Person): boolean
  /** `null`: no server has accounts of people. */
  readonly accounts: Accounts | null
  readonly stops: StopChanges
  readonly grants: Grants
  /** What this process knows to be stopped, for the banner. */
  readonly inForce: Pick<StopsInForce, 'all'>
  readonly setUps: SetUps
  readonly toolReviews: ToolReviews
  readonly publicUrl: URL | null
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly stopping: AbortSignal
  readonly log: Log
}

/** Each needs a session and shows what the person has not seen. */
const pages = [
  '/',
  '/history',
  '/agents',
  '/accounts',
  '/stops',
  '/grants',
  '/set-up/*',
  '/tools',
  '/tools/*',
  '/oauth/callback',
  '/approvals/*',
  '/queues/*',
]

/** More than people can look at; what is older shows up when these are done. Each may carry megabytes of arguments. */
const QUEUE_MAX = 100

export function createConsole(deps: ConsoleDeps): Hono<ConsoleEnv> {
  const { ledger, outcomes, sessions, timings, isApprover, accounts, publicUrl, board, log } = deps
  const cookie = cookieFor(publicUrl)
  const live = createLive(deps)
  const app = new Hono<ConsoleEnv>()

  // Named one by one: other rooms are mounted beside this one, and their requests are not ours to judge.
  for (const path of [
    '/',
    '/sign-in',
    '/sign-out',
    '/live',
    '/history',
    '/agents',
    '/accounts',
    '/stops',
    '/grants',
    '/set-up/*',
    '/tools',
    '/tools/*',
    '/oauth/callback',
    '/approvals/*',
    '/queues/*',
  ]) {
    app.use(path, pageHeaders)
  }
  app.route('/', assets)
  app.route('/', signInRoutes({ sessions, attempts: createAttempts(deps.clock), cookie, publicUrl, log }))
  const requireSession = onlySignedIn(sessions, cookie, (c) => askToSignIn(c, cookie))
  for (const path of ['/live', ...pages]) app.use(path, requireSession)
  for (const path of pages) {
    app.use(path, async function countUnseen(c, next) {
      c.set('unseen', await outcomes.unseen(c.get('person').id, UNSEEN_MAX))
      await next()
    })
  }

  const readerOf = (c: Context<ConsoleEnv>): Reader => {
    const person = c.get('person')
    return {
      person,
      token: c.get('token'),
      isApprover: isApprover(person),
      unseen: c.get('unseen') ?? 0,
      hasAccounts: accounts !== null,
      stops: deps.inForce.all(),
    }
  }
  const isPart = (c: Context) => c.req.header('hx-request') !== undefined

  app.get('/', async (c) => {
    const [found, nowMs] = await Promise.all([
      ledger.list({
        statuses: ['pending', 'approved', 'executing'],
        principal: null,
        limit: QUEUE_MAX + 1,
        after: null,
      }),
      ledger.nowMs(),
    ])
    const view = {
      ...{ nowMs, unsettled: found.slice(0, QUEUE_MAX), isCut: found.length > QUEUE_MAX },
      toSetUp: deps.setUps.waiting(),
      changed: deps.toolReviews.waiting(),
    }
    const reader = readerOf(c)
    if (!isPart(c)) return c.html(queuePage(view, reader))
    return c.html(
      <>
        <title>{queueTitle(view)} · Holdpoint</title>
        <Queue view={view} person={reader.person} />
      </>,
    )
  })

  app.get('/live', (c) => {
    const only = c.req.query('only')
    const id = only === undefined ? null : parseApprovalId(only)
    if (id !== null && !id.ok) return missing(c)
    return live(c, id?.value ?? null)
  })

  app.get('/approvals/:id', async (c) => {
    const view = await viewOf(c.req.param('id'))
    if (view === null) return missing(c)
    const reader = readerOf(c)
    if (!isPart(c)) return c.html(approvalPage(view, reader))
    const seen = c.req.query('seen') ?? ''
    if (seen === stateMark(view)) return c.body(null, 204)
    const isChanged =
      view.approval.status === 'pending' && Number.parseInt(seen, 10) !== view.approval.version
    const notice = isChanged
      ? { heading: 'It changed.', text: 'What you were reading is not what would be sent now.' }
      : null
    return c.html(<ApprovalArticle view={view} reader={reader} notice={notice} isChanged={isChanged} />)
  })

  app.get('/approvals/:id/params', async (c) => {
    const id = parseApprovalId(c.req.param('id'))
    const reading = id.ok ? await ledger.get(id.value) : null
    if (reading === null) return missing(c)
    return c.body(reading.approval.proposed.canonicalParams, 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${reading.approval.id}.json"`,
    })
  })

  app.post('/approvals/:id', actRoute({ people: deps.people, publicUrl, viewOf, readerOf, missing }))

  app.get('/history', async (c) => {
    const asked = c.req.query('show') ?? 'all'
    const show = isShow(asked) ? asked : 'all'
    const after = c.req.query('after')
    const cursor = after === undefined ? null : parseApprovalId(after)
    if (cursor !== null && !cursor.ok) return missing(c)
    const { settled, next } = await settledPage(ledger, show, cursor?.value ?? null)
    return c.html(historyPage({ show, settled, next, isFirst: cursor === null }, readerOf(c)))
  })

  const agents = agentsRoutes({ outcomes, publicUrl, readerOf, missing })
  app.get('/agents', agents.show)
  app.post('/agents', agents.markSeen)

  app.route('/', grantsRoutes({ grants: deps.grants, publicUrl, readerOf }))
  app.route('/', stopsRoutes({ stops: deps.stops, publicUrl, readerOf }))
  app.route('/', toolsRoutes({ reviews: deps.toolReviews, publicUrl, readerOf }))
  app.route('/', setUpRoutes({ setUps: deps.setUps, publicUrl, readerOf }))
  if (accounts !== null) app.route('/', accountsRoutes({ accounts, publicUrl, readerOf }))

  app.all('/queues/*', async (c) => {
    if (!isApprover(c.get('person'))) {
      return c.html(problemPage(c.req.path, readerOf(c), 'Only approvers see the queues.'), 403)
    }
    if (c.req.method !== 'GET') return c.text('The queues can only be looked at.\n', 405)
    return board.fetch(c.req.raw)
  })

  app.onError((error, c) => {
    if (error instanceof NewerForm) {
      const { unread } = error
      return c.html(problemPage(c.req.path, readerOf(c), `${unread.id} was ${writtenByNewer(unread)}.`), 409)
    }
    log.error({ err: error, path: c.req.path }, 'the console could not answer')
    return c.html(
      problemPage(
        c.req.path,
        null,
        'The gateway could not answer. Whether your act took effect is not known: look again.',
      ),
      500,
    )
  })

  async function viewOf(ticket: string): Promise<ApprovalView | null> {
    const id = parseApprovalId(ticket)
    const reading = id.ok ? await ledger.get(id.value) : null
    if (reading === null) return null
    const { approval, nowMs } = reading
    const isUnsettled = approval.status !== 'settled'
    const isUnknown = approval.status === 'settled' && approval.outcome.kind === 'indeterminate'
    const [trail, nodes, lateReplies] = await Promise.all([
      ledger.auditTrail(approval.id),
      isUnsettled ? ledger.waitingNodes(approval.id) : [],
      isUnknown ? ledger.lateReplies(approval.id) : [],
    ])
    return {
      approval,
      nowMs,
      trail,
      lateReplies,
      isRequesterWaiting: nodes.length > 0,
      startWithinMs: timings.startByMs,
      latestMs: approval.createdAtMs + timings.decisionMaxMs,
    }
  }

  function missing(c: Context<ConsoleEnv>) {
    return c.html(problemPage(c.req.path, readerOf(c), 'There is no such approval.'), 404)
  }
  return app
}
