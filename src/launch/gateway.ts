/**
 * The gateway role: agents' MCP traffic, the REST API, health. It alone holds upstream credentials and sends.
 * Any number of gateways run side by side on one ledger.
 */

import { setMaxListeners } from 'node:events'
import { Hono } from 'hono'
import { createApi } from '../api/api.ts'
import { createHealth } from '../api/health.ts'
import { createAuthenticator } from '../auth/authenticator.ts'
import { createDirectory } from '../auth/directory.ts'
import { createSessions } from '../auth/sessions.ts'
import type { Config } from '../config.ts'
import { type ConsoleDeps, createConsole } from '../console/console.tsx'
import type { JsonObject } from '../domain/canonical.ts'
import { readClientBudgets } from '../files/client-budgets.ts'
import { amended } from '../files/policy/amend.ts'
import { createHeldRequests, type HeldRequests } from '../mcp/downstream/held-requests.ts'
import { createMcpRoutes } from '../mcp/downstream/routes.ts'
import { createAloneSession } from '../mcp/upstream/alone.ts'
import { createUpstreamSession } from '../mcp/upstream/session.ts'
import type { Log } from '../ports/log.ts'
import type { Queue, QueueWorkers } from '../ports/queue.ts'
import type { Attend } from '../services/attend.ts'
import { keepStopped } from '../services/cancel-stopped.ts'
import { keepLookingUp } from '../services/look-up.ts'
import { createNewerForms } from '../services/newer-forms.ts'
import { createPolicyChanges } from '../services/policy-changes.ts'
import { createVerdictRecorder } from '../services/record-verdicts.ts'
import { keepJudged } from '../services/rejudge.ts'
import { createSetUps } from '../services/set-up.ts'
import { keepShowingSetUps } from '../services/show-set-ups.ts'
import { createSimulate } from '../services/simulate.ts'
import { createStopChanges } from '../services/stop-changes.ts'
import { createStopsInForce } from '../services/stops-in-force.ts'
import { createSuggest } from '../services/suggest.ts'
import { keepSweepingCounts } from '../services/sweep-counts.ts'
import { createToolCatalogue } from '../services/tool-catalogue.ts'
import { createToolReviews } from '../services/tool-reviews.ts'
import { createTrustedPins } from '../services/trusted-pins.ts'
import { keepServing } from '../services/void-unserved.ts'
import {
  createLease,
  keepClaimsTrue,
  keepLease,
  keepRunningAlone,
  keepWaitersTrue,
  keepWatch,
} from '../services/watch.ts'
import { keepWithdrawingGone } from '../services/withdraw-gone.ts'
import { CLIENT_METADATA_PATH, createOwnCredentials } from './accounts.ts'
import { approversOf, isApproverOf } from './approvers.ts'
import { clock, clockGap, createSleepCountingClock } from './clock.ts'
import type { Decorate } from './decorate.ts'
import { createFirstLook } from './first-look.ts'
import { createInputSchemaOf } from './input-schema-of.ts'
import type { OpenLedger } from './ledger.ts'
import { createOAuth } from './oauth.ts'
import { watchOpenServers } from './open-servers.ts'
import { operatorsOf } from './operators.ts'
import { openPolicies, readNewPolicy, readPolicyText, undecidableBy } from './policies.ts'
import { newNodeId, random } from './random.ts'
import { readyFor } from './ready-policies.ts'
import { createServices } from './services.ts'
import { createSites } from './sites.ts'
import { openSlackChannel, openSlackDoor } from './slack.ts'
import { createUpstreams } from './upstreams.ts'
import { createWho } from './who.ts'

export interface Gateway {
  readonly app: Hono
  readonly attend: Attend
  /** Tells held requests how to continue, lets calls that are being sent finish, then lets go of everything it holds. */
  stop(): Promise<void>
}

/** A token that was revoked is refused after this time at the latest, also when a hint was lost. */
const CREDENTIALS_REFRESH_MS = 1_000
/** A client that does not take its answer in this time is left behind: the whole stop has nine seconds. */
const ANSWERED_MS_MAX = 5_000
/** How often the audit chains are sealed. */
const SEAL_MS = 10_000

export async function startGateway(deps: {
  config: Config
  /** The port really listened on. */
  port: number
  store: OpenLedger
  queue: Queue
  workers: QueueWorkers
  board: ConsoleDeps['board']
  queueTrouble: () => string | null
  decorate: Decorate
  log: Log
}): Promise<Gateway> {
  const { config, port, store, queue, workers, board, queueTrouble, decorate, log } = deps
  const { ledger, credentials, wakeUps } = store
  const { timings, limits } = config
  const node = newNodeId('gateway')
  const stopping = new AbortController()
  const leaving = new AbortController()
  // Each loop listens once, for as long as this process lives: their number is no leak.
  setMaxListeners(Number.POSITIVE_INFINITY, stopping.signal, leaving.signal)

  const isTrusted = (server: string) => config.servers.get(server)?.isTrusted ?? false
  const toolPins = createTrustedPins(store.toolPins, isTrusted)
  const catalogue = createToolCatalogue({ pins: toolPins, isTrusted, clock, log })
  await catalogue.refresh()
  const policies = await openPolicies({ config, revisions: store.revisions, tools: catalogue, log })
  const { rules } = policies
  const stops = createStopsInForce({ stops: store.stops, clock, log })
  await stops.refresh()
  const leaseClock = createSleepCountingClock()
  const lease = createLease(leaseClock, timings)
  const askedAtMs = clock.monotonicMs()
  await ledger.renewLease(node, timings.nodeLeaseMs)
  lease.renewed(askedAtMs)
  const onClientGoneOf = (agent: string) => config.agentSettings.get(agent)?.onClientGone ?? null
  const directory = createDirectory(config.people)
  const recorder = createVerdictRecorder({
    ...{ decisionLog: store.decisionLog, rules, timings, limits, clock, log },
    recordsArguments: (server) => config.servers.get(server)?.recordsArguments ?? false,
  })
  const services = createServices({
    lease,
    directory,
    onClientGoneOf,
    ledger,
    counters: store.counters,
    queue,
    wakeUps,
    rules,
    stops: store.stops,
    hasChannels: config.channels.slack !== null,
    recordVerdict: recorder.record,
    node,
    timings,
    limits,
    openAlone({ asked: { server, requester: principal, era } }) {
      const upstream = upstreams.get(server)
      if (upstream === undefined) return null
      const onListed = (tools: readonly JsonObject[], isLast: boolean) => catalogue.saw(server, tools, isLast)
      const alone = createAloneSession({ upstream, principal, era, limits, timings, onListed })
      return { ...alone, ...decorate.session(alone, 'alone') }
    },
    stopping: stopping.signal,
    clock,
    random,
    log,
  })
  const stopListening = wakeUps.onWakeUp((id) =>
    id === 'all' ? services.waiters.wakeAll() : services.waiters.wake(id),
  )

  const isOperator = operatorsOf(config)
  const stopChanges = createStopChanges({
    ...{ stops: store.stops, inForce: stops, cancelStopped: services.cancelStopped, isOperator, log },
    servers: [...config.servers.keys()],
    isKnownAgent: (name) => config.agents.has(name) || config.localPrincipal?.name === name,
  })

  const authenticator = createAuthenticator({
    store: credentials,
    agents: config.agents,
    people: config.people,
    log,
    refreshMs: CREDENTIALS_REFRESH_MS,
  })
  await authenticator.start()
  const sites = createSites(config, port)
  const held = createHeldRequests(limits)
  const oauth = createOAuth(config, log)
  const who = createWho({
    authenticator,
    directory,
    localPrincipal: config.localPrincipal,
    verifyToken: oauth?.verifyToken ?? null,
  })
  const base = baseUrl(config, port)
  const own = await createOwnCredentials(config, store.accounts, base, log)
  const upstreams = createUpstreams(config, own, log)

  const policyChanges = createPolicyChanges({
    ...{ ledger, revisions: store.revisions, readPolicy: readNewPolicy(config), log },
    ...{ judgeBy: services.judgeBy, servers: [...config.servers.keys()], isOperator },
    usualApprovers: policies.usualApprovers,
    undecidable: undecidableBy(config),
    simulate: createSimulate({
      ...{ decisionLog: store.decisionLog, ledger, rules, people: config.people, timings },
    }),
  })
  const firstLook = createFirstLook({ config, own, rules, tools: catalogue, log })
  const setUps = createSetUps({
    ...{
      servers: [...config.servers.keys()],
      rules,
      tools: catalogue,
      isTrusted,
      policies: policyChanges,
      isOperator,
      log,
    },
    problemOf: firstLook.problemOf,
    readPolicy: readNewPolicy(config),
  })

  const openServers = watchOpenServers(config, leaving.signal, log)

  const gap = await store.durabilityGap()
  if (gap !== null) log.error({ gap }, 'the ledger is not durable; this gateway does not become ready')
  const newerForms = createNewerForms({ ledger, clock, log })
  const loop = { ledger, clock, timings, stopping: leaving.signal, log }
  const loops = [
    keepLease({ ...loop, clock: leaseClock, lease, node }),
    keepWatch({ ...loop, attend: services.attend }),
    keepWaitersTrue({ ...loop, node, waiters: services.waiters }),
    keepWithdrawingGone({ ...loop, withdrawGone: services.withdrawGone }),
    keepServing({ ...loop, voidUnserved: services.voidUnserved, node, servers: [...config.servers.keys()] }),
    keepRunningAlone({ ...loop, resume: services.resume }),
    keepLookingUp({ ...loop, lookUp: services.lookUp, servers: [...config.servers.keys()] }),
    keepClaimsTrue({ ...loop, node, change: services.change, isRunning: services.resume.isRunning }),
    keepSealing(store, leaving.signal, log),
    newerForms.keep(leaving.signal),
    openServers.ended,
    recorder.keep(leaving.signal),
    keepSweepingCounts({ counters: store.counters, clock, stopping: leaving.signal, log }),
    policies.keep(leaving.signal),
    catalogue.keepFresh(leaving.signal),
    catalogue.keepWhole((server) => firstLook.look(server, leaving.signal), leaving.signal),
    firstLook.keep(leaving.signal),
    stops.keepFresh(leaving.signal),
    keepStopped({ ...loop, cancelStopped: services.cancelStopped, stops: store.stops }),
    keepJudged({ ...loop, rejudge: services.rejudge, rules, servers: [...config.servers.keys()] }),
  ]
  workers.execute(services.resume)
  const channel = await openSlackChannel({ config, store, directory, log })
  if (channel !== null) {
    const shown = { setUps, cards: store.setUpCards, channel, servers: [...config.servers.keys()] }
    loops.push(keepShowingSetUps({ ...shown, held: rules.held, clock, stopping: leaving.signal, log }))
  }
  const { people, grants } = services
  const slack = await openSlackDoor({ config, store, directory, people, grants, log })

  const app = new Hono()
  app.route(
    '/',
    createHealth({
      checks: [
        {
          name: 'running',
          missing: async () => (stopping.signal.aborted ? 'this gateway is stopping' : null),
        },
        { name: 'ledger', missing: async () => store.pulse.trouble() ?? (await store.durabilityGap()) },
        {
          name: 'lease',
          missing: async () => ((await ledger.hasLiveLease(node)) ? null : 'this gateway has lost its lease'),
        },
        openServers.check,
      ],
      hints: [
        openServers.hint,
        { name: 'queue', missing: async () => queueTrouble() },
        { name: 'failover', missing: store.failoverGap },
        { name: 'clock', missing: async () => clockGap(clock.wallMs() - store.pulse.nowMs()) },
        { name: 'policies', missing: policies.gap },
        { name: 'decision log', missing: async () => recorder.gap() },
        { name: 'records', missing: newerForms.gap },
      ],
      log,
    }),
  )
  // Health checks come by address, everything else by a name that is ours.
  app.use('*', async function checkHost(c, next) {
    if (sites.isHostAllowed(c.req.header('host') ?? '')) return next()
    return c.text(
      'This name is not served here. Set HOLDPOINT_PUBLIC_URL to the address that clients use.\n',
      403,
    )
  })
  if (oauth !== null) app.route('/', oauth.routes)
  if (own.clientMetadata !== null) app.get(CLIENT_METADATA_PATH, (c) => c.json(own.clientMetadata))
  app.route(
    '/mcp',
    createMcpRoutes({
      held,
      upstreams,
      prefixAt: sites.prefixAt,
      passHeaders: (server) => config.servers.get(server)?.passHeaders ?? [],
      extraMethods: (server) => config.servers.get(server)?.extraMethods ?? [],
      rules,
      setUpLink: (server) => (isFollowable(config) ? `${base}/set-up/${server}` : null),
      stops,
      counters: store.counters,
      random,
      // Refused soon where the ledger does not answer, instead of waiting for it in a queue.
      ask: (request) => store.pulse.whileAnswering(() => services.ask(request)),
      findEarlier: (call) => store.pulse.whileAnswering(() => services.findEarlier(call)),
      awaitOutcome: services.awaitOutcome,
      ownCalls: services.ownCalls,
      pollers: services.pollers,
      markDelivered: ledger.markDelivered,
      authenticate: who.agent,
      challengeOf: (server) => oauth?.resources.challengeOf(server) ?? null,
      sealKey: await store.sharedKey('mcp-session'),
      isHostAllowed: sites.isHostAllowed,
      isOriginAllowed: sites.isOriginAllowed,
      createSession: (options) => decorate.session(createUpstreamSession(options), 'waiter'),
      clientBudgets: readClientBudgets(),
      agentHoldMs: (agent) => config.agentSettings.get(agent)?.holdMs ?? null,
      onClientGoneOf,
      toolsSeen: catalogue.saw,
      inputSchemaOf: createInputSchemaOf(catalogue, clock),
      toolNames: (server) => catalogue.known(server).map(({ tool }) => tool),
      onRulesChange(listener) {
        rules.onChange(listener)
        stops.onChange(listener)
      },
      onWakeUp: wakeUps.onWakeUp,
      read: ledger.get,
      recordVerdict: recorder.record,
      limits,
      timings,
      // Instants in the ledger are by its clock; what is said of them to agents must be, too.
      clock: { ...clock, wallMs: store.pulse.nowMs },
      stopping: stopping.signal,
      log,
    }),
  )
  app.route(
    '/api/v1',
    createApi({
      ledger,
      people: services.people,
      policies: policyChanges,
      suggest: createSuggest({
        ...{ ledger, revisions: store.revisions, rules, servers: [...config.servers.keys()] },
        ...{ readPolicy: readPolicyText, amend: amended },
      }),
      setUps,
      decisions: {
        log: store.decisionLog,
        maySeeAll: (person) => operatorsOf(config)(person) || approversOf(config, rules)(person),
        nowMs: ledger.nowMs,
      },
      stops: stopChanges,
      grants: services.grants,
      timings,
      authenticate: who,
      isOriginAllowed: sites.isOriginAllowed,
      toolPins,
      mayAccept: (person, server) => isApproverOf(rules, person, server),
      onAccepted: catalogue.refresh,
      log,
    }),
  )
  app.route(
    '/',
    createConsole({
      ledger,
      people: services.people,
      outcomes: store.outcomes,
      timings,
      sessions: createSessions({ identities: store.identities, directory }),
      wakeUps,
      board,
      accounts: own.accounts,
      stops: stopChanges,
      grants: services.grants,
      inForce: stops,
      setUps,
      toolReviews: createToolReviews({
        ...{ tools: catalogue, toolPins, rules, decisionLog: store.decisionLog, log },
        ...{
          nowMs: ledger.nowMs,
          isTrusted,
          readyFor,
          mayAccept: (person, server) => isApproverOf(rules, person, server),
        },
      }),
      isApprover: approversOf(config, rules),
      publicUrl: config.publicUrl,
      clock,
      stopping: stopping.signal,
      log,
    }),
  )
  if (slack?.routes) app.route('/', slack.routes)

  return {
    app,
    attend: services.attend,
    async stop() {
      stopping.abort()
      await slack?.stop()
      await services.resume.drained()
      await allAnswered(held)
      authenticator.stop()
      own.stop()
      stopListening()
      leaving.abort()
      await Promise.all(loops)
      await catalogue.settled()
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()))
    },
  }
}

/** Each held request is told how to go on before anything is taken away from it. */
async function allAnswered(held: HeldRequests): Promise<void> {
  const giveUpMs = clock.monotonicMs() + ANSWERED_MS_MAX
  while (held.count() > 0 && clock.monotonicMs() < giveUpMs) await clock.sleep(20)
}

/** Whether people elsewhere, or whoever sits at this machine, can follow a link: a dead one helps nobody. */
const isFollowable = ({ publicUrl, localPrincipal }: Config) => publicUrl !== null || localPrincipal !== null

/** How browsers reach this gateway. */
function baseUrl({ publicUrl, host }: Config, port: number): string {
  const here = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return (publicUrl?.href ?? here).replace(/\/+$/, '')
}

async function keepSealing(store: OpenLedger, stopping: AbortSignal, log: Log): Promise<void> {
  while (!stopping.aborted) {
    try {
      await store.seal()
    } catch (error) {
      log.warn({ err: error }, 'the audit events could not be sealed; the next round follows')
    }
    await clock.sleep(SEAL_MS, stopping)
  }
}
