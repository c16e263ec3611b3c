/** Gateways, agents and people of the simulation. They run the real services; only their ports are simulated. */
import { setMaxListeners } from 'node:events'
import type { Approval } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { parseApprovalId, TICKET_ALPHABET } from '../../src/domain/approval-id.ts'
import { defaultLimits } from '../../src/domain/limits.ts'
import type { Person, Principal } from '../../src/domain/principal.ts'
import { err } from '../../src/domain/result.ts'
import { attachKey, type ToolCall } from '../../src/domain/tool-call.ts'
import { silentLog } from '../../src/launch/log.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { createServices, type ServicesDeps } from '../../src/launch/services.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Nudges } from '../../src/ports/nudges.ts'
import type { UpstreamSession } from '../../src/ports/upstream-session.ts'
import { keepStopped } from '../../src/services/cancel-stopped.ts'
import type { Judged } from '../../src/services/judge.ts'
import { keepNudging } from '../../src/services/nudge.ts'
import { keepJudged } from '../../src/services/rejudge.ts'
import { createRulesInForce } from '../../src/services/rules-in-force.ts'
import {
  createLease,
  keepClaimsTrue,
  keepLease,
  keepRunningAlone,
  keepWaitersTrue,
  keepWatch,
} from '../../src/services/watch.ts'
import { keepWithdrawingGone } from '../../src/services/withdraw-gone.ts'
import { aToolCall, owner as jun, mina, sora } from '../support/builders.ts'
import { createMemoryCounters } from '../support/memory-counters.ts'
import { createMemoryNudges } from '../support/memory-nudges.ts'
import type { Owner } from './scheduler.ts'
import {
  channelOf,
  ledgerOf,
  noting,
  nudgesOf,
  queueOf,
  revisionsOf,
  type SimWorld,
  sessionOf,
  stopsOf,
} from './world.ts'

/**
 * What a broken design can reach of the world. Not what really happened there, by which the checker judges: whatever a
 * mutant breaks, it breaks by way of the real services.
 */
export type MutantWorld = Pick<SimWorld, 'dice' | 'ledger' | 'requestIds' | 'timings'>

/** A broken design: puts its decorators on the ports and services of every gateway. */
export interface Mutant {
  readonly name: string
  /** It can only show where a rule asks for several people. */
  readonly isAboutSeveral?: true
  /** It can only show where people grant more than single calls. */
  readonly isAboutGrants?: true
  /** The policy that its worlds begin with, where it can hardly show under others. */
  readonly beginsWith?: string
  ports?(deps: ServicesDeps, world: MutantWorld): ServicesDeps
  session?(session: UpstreamSession, world: MutantWorld): UpstreamSession
  services?(services: SimServices, world: MutantWorld): SimServices
  /** The ledger as those see it who post reminders and escalations. */
  nudgeLedger?(ledger: Ledger): Pick<Ledger, 'get' | 'list'>
  nudges?(nudges: Nudges): Nudges
}
export type SimServices = ReturnType<typeof createServices>

export interface Gateway {
  readonly owner: Owner
  readonly services: SimServices
  readonly session: UpstreamSession
}

export function startGateway(world: SimWorld, name: string, mutant: Mutant | null): Gateway {
  const { scheduler, dice, timings } = world
  const owner: Owner = { name, isDead: false, stalledUntilMs: 0 }
  world.owners.push(owner)
  const stopping = new AbortController().signal
  // Each loop listens once.
  setMaxListeners(0, stopping)
  const clock = {
    monotonicMs: () => scheduler.nowMs(),
    wallMs: () => scheduler.nowMs(),
    sleep: (ms: number, signal?: AbortSignal) => scheduler.sleep(owner, ms, signal),
  }
  const lease = createLease(clock, timings)
  const revisions = revisionsOf(world, owner)
  const servers = ['github']
  const rules = createRulesInForce({ revisions, servers, readPolicy: readPolicyText, clock, log: silentLog })
  let deps: ServicesDeps = {
    lease,
    directory: {
      person: (id) => world.people.find((one) => one.id === id) ?? null,
      people: () => world.people,
    },
    onClientGoneOf: () => null,
    ledger: ledgerOf(world, owner),
    counters: createMemoryCounters(() => scheduler.nowMs()),
    queue: queueOf(world, owner),
    wakeUps: {
      announce: (id) =>
        scheduler.use(owner, 'announce', () => {
          for (const listener of listeners(world)) {
            if (world.isStormy && dice.chance(0.3)) continue
            scheduler.later(listener.owner, 'wake-up', () => listener.wake(id))
          }
        }),
      onWakeUp: () => () => {},
    },
    rules,
    stops: stopsOf(world, owner),
    hasChannels: false,
    recordVerdict: () => {},
    node: name,
    timings,
    limits: defaultLimits,
    openAlone: () => ({ ...session, read: async () => err('nothing is read here'), close: async () => {} }),
    stopping,
    clock,
    random: { approvalId: () => aTicketOf(world), nonce: () => String(dice.next()) },
    log: silentLog,
  }
  deps = mutant?.ports?.(deps, world) ?? deps
  let services = createServices(deps)
  services = mutant?.services?.(services, world) ?? services
  const plain = sessionOf(world, owner)
  const session = mutant?.session?.(plain, world) ?? plain
  listeners(world).push({ owner, wake: (id) => services.waiters.wake(id) })
  const seen = mutant?.nudgeLedger?.(world.ledger) ?? world.ledger
  world.nudges ??= noting(
    createMemoryNudges(seen, () => 'card'),
    world,
  )
  const nudges = nudgesOf(world, owner, world.nudges)
  const nudging = {
    ledger: mutant?.nudgeLedger?.(deps.ledger) ?? deps.ledger,
    nudges: mutant?.nudges?.(nudges) ?? nudges,
    directory: { people: () => world.people },
    channels: [channelOf(world, owner)],
    log: silentLog,
  }
  void keepNudging({ ...nudging, clock, stopping })
  const loop = { ledger: deps.ledger, clock, timings, stopping, log: silentLog }
  void keepLease({ ...loop, lease, node: name })
  void keepWatch({ ...loop, attend: services.attend })
  void keepWaitersTrue({ ...loop, node: name, waiters: services.waiters })
  void rules.keepFresh(stopping)
  void keepJudged({ ...loop, rejudge: services.rejudge, rules, servers })
  void keepRunningAlone({ ...loop, resume: services.resume })
  void keepWithdrawingGone({ ...loop, withdrawGone: services.withdrawGone })
  void keepStopped({ ...loop, cancelStopped: services.cancelStopped, stops: deps.stops })
  void keepClaimsTrue({ ...loop, node: name, change: services.change, isRunning: services.resume.isRunning })
  return { owner, services, session }
}

interface Listener {
  readonly owner: Owner
  wake(id: ApprovalId): void
}
const listenersOf = new WeakMap<SimWorld, Listener[]>()
function listeners(world: SimWorld): Listener[] {
  const known = listenersOf.get(world) ?? []
  listenersOf.set(world, known)
  return known
}

function aTicketOf({ dice }: SimWorld): ApprovalId {
  const text = Array.from({ length: 10 }, () => dice.pick([...TICKET_ALPHABET])).join('')
  const id = parseApprovalId(`HP-${text}`)
  if (!id.ok) throw new Error(text)
  return id.value
}

const requestsOf = new WeakMap<SimWorld, Map<string, number>>()
/** Runs as a new request of this agent's client, with the next of its JSON-RPC ids. */
function asRequest<T>(world: SimWorld, { name }: Principal, run: () => Promise<T>): Promise<T> {
  const counts = requestsOf.get(world) ?? new Map<string, number>()
  requestsOf.set(world, counts)
  const id = (counts.get(name) ?? 0) + 1
  counts.set(name, id)
  return world.requestIds === null ? run() : world.requestIds.run(id, run)
}

/** One request of an agent: it asks and waits, and may leave. It ends when it is told something or its gateway dies. */
export function requestOf(world: SimWorld, gateway: Gateway, principal: Principal, call: number): void {
  const { scheduler, dice, timings } = world
  const { services, session, owner: process } = gateway
  const leaving = new AbortController()
  if (world.isStormy && dice.chance(0.3)) {
    void scheduler.sleep(process, dice.below(timings.holdMs), leaving.signal).then(() => leaving.abort())
  }
  async function run(): Promise<void> {
    const toolCall = aToolCall({ principal, arguments: { call } })
    const { server, tool } = toolCall
    const judged = await services.judge({
      ...{ server, tool, principal, arguments: { call }, session: null, nowMs: scheduler.nowMs() },
    })
    // Allowed calls are no matter of approvals.
    if (judged === null || judged.verdict.kind === 'allow') return
    const asked = await askedOrFound(toolCall, judged)
    if (asked === null || !asked.ok) return
    const { approval } = asked.value
    const awaited = await services.awaitOutcome({
      id: approval.id,
      session,
      holdMs: timings.holdMs,
      signal: leaving.signal,
      onLook: () => {},
    })
    if (awaited.kind === 'left') return
    const replyText = awaited.kind === 'settled' ? awaited.replyText : null
    world.told.push({ atStep: scheduler.count(), principal, call, approval: awaited.approval, replyText })
    if (awaited.kind === 'settled') await world.ledger.markDelivered(awaited.approval.id)
  }

  /** As the gate does it: under a stop or a forbidding rule nobody is asked, and only what is known from before is followed. */
  async function askedOrFound(toolCall: ToolCall, { verdict, approvers, revision }: Judged) {
    // Or a limit holds it back.
    const isStopped = world.ledger.stops.over(toolCall) !== null || (world.isStormy && dice.chance(0.15))
    if (verdict.kind === 'require_approval' && !isStopped)
      return services.ask({ call: toolCall, verdict, approvers, revision, client: null, session })
    const askedAtStep = scheduler.count()
    const found = await services.findEarlier(toolCall)
    const toldAtStep = scheduler.count()
    if (found === null) world.refused.push({ askedAtStep, toldAtStep, attachKey: attachKey(toolCall) })
    return found
  }

  // A ledger that refuses ends the request; a dead gateway never answers it.
  asRequest(world, principal, run).catch(() => {})
}

/**
 * One call of an agent as a task: asked at one gateway, polled at any that lives, until the agent is told how it ended, has
 * enough, or takes it back.
 */
export function taskOf(
  world: SimWorld,
  alive: () => readonly Gateway[],
  principal: Principal,
  call: number,
): void {
  const { scheduler, dice, timings } = world
  // It outlives every gateway.
  const itself: Owner = { name: `${principal.name} at home`, isDead: false, stalledUntilMs: 0 }
  const task = { principal, server: 'github' }

  async function ask({ services, session }: Gateway): Promise<ApprovalId | null> {
    const toolCall = aToolCall({ principal, arguments: { call } })
    const { server, tool } = toolCall
    const judged = await services.judge({
      ...{ server, tool, principal, arguments: { call }, session: null, nowMs: scheduler.nowMs() },
    })
    if (judged?.verdict.kind !== 'require_approval') return null
    const { verdict, approvers, revision } = judged
    const asked = await services.ask({ call: toolCall, verdict, approvers, revision, client: null, session })
    if (!asked.ok) return null
    services.pollers.polled(asked.value.approval.id, session)
    return asked.value.approval.id
  }

  /** @returns whether the agent is done with it */
  async function poll({ services, session }: Gateway, id: ApprovalId): Promise<boolean> {
    const found = await services.ownCalls.find(id, task)
    if (found === null) return true
    const { approval, replyText } = found
    if (approval.status !== 'settled') {
      services.pollers.polled(approval.id, session)
      if (world.isStormy && dice.chance(0.03)) await services.ownCalls.cancel(approval.id, task)
      return false
    }
    world.told.push({ atStep: scheduler.count(), principal, call, approval, replyText })
    await world.ledger.markDelivered(approval.id)
    return true
  }

  async function run(): Promise<void> {
    const id = await asRequest(world, principal, () => ask(dice.pick([...alive()])))
    while (id !== null && !(world.isStormy && dice.chance(0.1))) {
      await scheduler.sleep(itself, timings.pollMs)
      // A poll that a dead gateway never answers, or a ledger refuses, is followed by the next.
      const answered = poll(dice.pick([...alive()]), id).catch(() => false)
      const missed = scheduler.sleep(itself, timings.pollMs).then(() => false)
      if (await Promise.race([answered, missed])) return
    }
  }
  run().catch(() => {})
}

/** A person looks at what is there through some gateway and does something, sometimes late, sometimes without the right. */
export function personActs(world: SimWorld, gateway: Gateway): void {
  const { scheduler, dice, ledger } = world
  /** What is written down here is the truth about what anybody said. */
  function decides(
    person: Person,
    what: Pick<Parameters<SimServices['people']['decide']>[0], 'id' | 'answer' | 'digest' | 'grant'>,
  ) {
    const { id, answer, digest } = what
    world.said.push({ atStep: scheduler.count(), by: person.id, id, answer, digest })
    return gateway.services.people.decide({ ...what, person, reason: null, via: 'api' })
  }

  /** Allows more of such calls, which the agent is about to make; or ends what was allowed. */
  async function grantsOrEnds({ id, proposed, status }: Approval, person: Person): Promise<void> {
    const { grants } = gateway.services
    const said = { id, person, reason: null } as const
    if (status !== 'pending') {
      if (dice.chance(0.3)) await grants.end(said)
      return
    }
    const grant = { uses: 1 + dice.below(2), durationMs: 60_000 }
    await decides(person, { id, answer: 'approve', digest: proposed.digest, grant })
  }

  async function act(): Promise<void> {
    const [approval] = (await ledger.list({ statuses: null, principal: null, limit: 20, after: null }))
      .filter(({ status, asked }) => status !== 'settled' || asked.tool !== '')
      .sort(() => dice.next() - 0.5)
    if (approval === undefined) return
    const { id, proposed } = approval
    const isForSeveral = approval.asking.stages.length > 0
    // Those who follow are impatient.
    const isTempted = approval.asking.escalation.length > 0 && dice.chance(0.4)
    const several = isForSeveral ? 0.3 : 0.75
    const who = isTempted ? sora : dice.chance(several) ? mina : dice.pick([...world.people])
    const { people } = gateway.services
    // What was on the screen when they looked.
    const digest = proposed.digest
    if (dice.chance(0.15)) await scheduler.sleep(gateway.owner, dice.below(20_000))
    // As the directory has them at the moment of the act.
    const person = world.people.find(({ id: one }) => one === who.id) ?? jun
    const ownAct = begun(world, [person])
    const said = { id, person, reason: null, via: 'api' } as const
    if (isForSeveral && dice.chance(0.6)) {
      // Those who were called look at it together.
      const together = world.people.filter(() => dice.chance(0.7))
      const commonAct = begun(world, together)
      await Promise.allSettled(together.map((one) => decides(one, { id, answer: 'approve', digest })))
      commonAct.endedMs = scheduler.nowMs()
    } else if (isForSeveral && dice.chance(0.2)) await people.takeBack(said)
    else if (approval.asking.grants !== null && dice.chance(0.5)) await grantsOrEnds(approval, person)
    else if (dice.chance(0.04)) await people.cancel({ id, person, reason: null })
    else if (dice.chance(0.12)) {
      // Also back to what was asked, and also about what is not on anybody's screen any more.
      const argumentsText = JSON.stringify(
        dice.chance(0.3) ? { call: dice.below(2) } : { call: 7 + dice.below(2) },
      )
      await people.edit({ ...said, argumentsText, digest })
    } else if (dice.chance(0.05)) {
      await people.extend({ ...said, expiresAtMs: approval.expiresAtMs + 61_000 })
    } else if (dice.chance(0.11)) await people.askAgain(said)
    else if (dice.chance(0.1))
      await people.annotate({
        id,
        person,
        finding: dice.chance(0.5) ? 'happened' : 'did_not_happen',
        note: null,
      })
    else await decides(person, { id, answer: dice.chance(0.9) ? 'approve' : 'reject', digest })
    ownAct.endedMs = scheduler.nowMs()
  }
  act().catch(() => {})
}

function begun({ acts, scheduler }: SimWorld, people: readonly Person[]) {
  const act = {
    people: people.map(({ id }) => id),
    begunMs: scheduler.nowMs(),
    endedMs: Number.POSITIVE_INFINITY,
  }
  acts.push(act)
  return act
}
