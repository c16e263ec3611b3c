/** The simulated world: ledger, queue, upstream and people's door, and what really happened, for the checker. */

import type { AsyncLocalStorage } from 'node:async_hooks'
import type { Approval } from '../../src/domain/approval.ts'
import { bindingDigest } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { unknownSend } from '../../src/domain/evidence.ts'
import { chainOf, effectiveRuleDigest, evaluate } from '../../src/domain/policy.ts'
import type { Person, Principal } from '../../src/domain/principal.ts'
import { unknownTool } from '../../src/domain/risk.ts'
import type { Timings } from '../../src/domain/timings.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { type Channel, ChannelFault } from '../../src/ports/channels.ts'
import type { Change, Ledger } from '../../src/ports/ledger.ts'
import type { Nudges } from '../../src/ports/nudges.ts'
import type { Queue } from '../../src/ports/queue.ts'
import type { Revisions } from '../../src/ports/revisions.ts'
import type { Stops } from '../../src/ports/stops.ts'
import type { UpstreamSession } from '../../src/ports/upstream-session.ts'
import { aRevision, mina, owner, sora } from '../support/builders.ts'
import { createMemoryLedger, type MemoryLedger } from '../support/memory-ledger.ts'
import { createDice, createScheduler, type Dice, type Owner, type Scheduler } from './scheduler.ts'

/** One request that reached the upstream. */
export interface Hit {
  readonly atStep: number
  readonly approvalId: string
  readonly canonicalParams: string
  readonly reply: string
}

/** What a requester was told, at the moment it heard it. */
export interface Told {
  readonly atStep: number
  readonly principal: Principal
  /** Which of its calls it was told this about: the only argument of the call. */
  readonly call: number
  readonly approval: Approval
  readonly replyText: string | null
}

/** Whoever asked at that step, at a gateway that refuses, was told that this call was not executed. */
export interface RefusedCall {
  readonly askedAtStep: number
  readonly toldAtStep: number
  readonly attachKey: string
}

/** What a person said to a gateway, about what they had on their screen. Whether it counts is for the services. */
export interface Said {
  readonly atStep: number
  readonly by: string
  readonly id: ApprovalId
  readonly answer: 'approve' | 'reject'
  readonly digest: string
}

/** A reminder or an escalation that a gateway took in hand, and how things stood in that very step. */
export interface TakenNudge {
  readonly atStep: number
  readonly key: string
  readonly status: Approval['status'] | null
}

export interface SimWorld {
  readonly dice: Dice
  readonly scheduler: Scheduler
  readonly ledger: MemoryLedger
  readonly timings: Timings
  /** What was written although the rule in force was another one: `status` and id. */
  readonly underOldRules: string[]
  /** What was written although it was stopped: `status` and id. */
  readonly pastStops: string[]
  readonly hits: Hit[]
  readonly told: Told[]
  readonly refused: RefusedCall[]
  readonly said: Said[]
  /**
   * The JSON-RPC id of the request in whose course something happens. Every client counts its own from 1 on. `null` where nobody
   * goes by it: on Node 20 a process in which it is followed runs at a sixth of its pace.
   */
  requestIds: AsyncLocalStorage<number> | null
  /** What channel posts are taken from; made by the first gateway. */
  nudges: Nudges | null
  readonly takenNudges: TakenNudge[]
  /** Messages that called people again, by id and number. */
  readonly postedNudges: string[]
  /** Every state the ledger has been in, with step and time. */
  readonly history: { atStep: number; atMs: number; approval: Approval }[]
  readonly jobs: { id: ApprovalId; kind: 'attend' | 'execute'; dueMs: number }[]
  readonly owners: Owner[]
  /** The directory, which changes; all it has been is kept. */
  people: readonly Person[]
  readonly directories: { readonly atMs: number; readonly people: readonly Person[] }[]
  /** When people were at something, through whichever process; what died in the middle never ends. */
  readonly acts: { readonly people: readonly string[]; readonly begunMs: number; endedMs: number }[]
  /** The tool as the upstream describes it now. */
  toolDefinitionDigest: string
  isUpstreamUp: boolean
  /** While true, messages get lost, processes die and clocks jump; then the world heals. */
  isStormy: boolean
}

/** Short, so that deadlines are met again and again in the middle of something. */
const timings: Timings = {
  ...defaultTimings,
  decisionMs: 40_000,
  startByMs: 30_000,
  coolDownMs: 20_000,
  holdMs: 10_000,
  returnMs: 8_000,
  nodeLeaseMs: 6_000,
}

export const lee: Person = { id: 'lee', name: 'Lee', groups: ['ops', 'security'] }
const park: Person = { id: 'park', name: 'Park', groups: ['security'] }
const everybody: readonly Person[] = [mina, owner, sora, lee, park]

/** Everything is asked, with these terms. */
const askingFor = (approval: string) =>
  `rules: [{ tools: "*", action: require_approval, approval: ${approval} }]`

/** Rules that ask for the yeses of several people. */
export const severalPeople: readonly string[] = [
  askingFor('{ groups: [ops, security], quorum: 2 }'),
  askingFor('{ groups: [ops, security, leads], quorum: 3 }'),
  askingFor('{ stages: [{ groups: [ops] }, { groups: [security], people: [sora] }] }'),
  askingFor('{ stages: [{ groups: [ops, security], quorum: 2 }, { groups: [security, leads] }] }'),
]

/** Reminders and escalations, at moments that fall into the middle of what people do. */
export const calling = askingFor(
  '{ reminders: [2s, 12s, 25s], escalation: [{ after: 8s, groups: [leads] }, { after: 20s, people: [sora] }] }',
)

/** A rule under which people grant more of such calls, and all calls are such calls. */
export const granting = askingFor('{ grants: { max_uses: 2, max_duration: 1m, may_differ: [args.call] } }')
/** A rule under which calls run without their agent. */
export const alone = askingFor('{ on_client_gone: execute }')
/** Every fifth world begins with grants. */
export const beginsWithGrants = (seed: number) => seed % 5 === 1

/** A third of the worlds begin with several people. */
const firstPolicy = (seed: number) =>
  (beginsWithGrants(seed) ? granting : undefined) ??
  (seed % 3 === 0 ? severalPeople[(seed / 3) % severalPeople.length] : undefined) ??
  'default: require_approval'

export function createSimWorld(seed: number, policy = firstPolicy(seed)): SimWorld {
  const dice = createDice(seed)
  const scheduler = createScheduler(dice)
  const ledger = createMemoryLedger(scheduler.nowMs())
  let ledgerMs = scheduler.nowMs()
  const history: SimWorld['history'] = []
  const remember = (approval: Approval) =>
    history.push({ atStep: scheduler.count(), atMs: scheduler.nowMs(), approval })
  const { save, create, replace } = ledger
  const underOldRules: string[] = []
  const pastStops: string[] = []
  const { over: stopOver } = ledger.stops
  // Runs to its end before anybody looks.
  void ledger.revisions.putInForce(aRevision(policy), null)
  ledger.save = async (change) => {
    // Looked at and written in one step, as the real ledger does it.
    const { server, tool, requester: principal } = change.next.asked
    const stop = stopOver({ server, tool, principal })
    const isSaved = await save(change)
    if (isSaved) remember(change.next)
    if (isSaved && isYes(change)) {
      if (stop !== null) pastStops.push(`${change.next.status} ${change.next.id}`)
      const isUnderRule = await standsNow(ledger.revisions, change.next, scheduler.nowMs())
      if (!isUnderRule) underOldRules.push(`${change.next.status} ${change.next.id}`)
    }
    return isSaved
  }
  ledger.replace = async (replacement) => {
    const isReplaced = await replace(replacement)
    if (isReplaced) {
      remember(replacement.next)
      remember(replacement.successor)
    }
    return isReplaced
  }
  ledger.create = async (proposal) => {
    const created = await create(proposal)
    if (created.kind === 'created') remember(proposal.approval)
    return created
  }
  // The ledger's clock is the scheduler's, read whenever somebody looks.
  const follow = () => {
    ledger.advance(scheduler.nowMs() - ledgerMs)
    ledgerMs = scheduler.nowMs()
  }
  const followed = new Proxy(ledger, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver)
      if (typeof value !== 'function' || name === 'advance') return value
      return (...args: unknown[]) => {
        follow()
        return value.apply(target, args)
      }
    },
  })
  return {
    dice,
    scheduler,
    ledger: followed,
    timings,
    underOldRules,
    pastStops,
    hits: [],
    told: [],
    refused: [],
    said: [],
    requestIds: null,
    nudges: null,
    takenNudges: [],
    postedNudges: [],
    history,
    jobs: [],
    owners: [],
    people: everybody,
    directories: [{ atMs: scheduler.nowMs(), people: everybody }],
    acts: [],
    toolDefinitionDigest: 'd'.repeat(64),
    isUpstreamUp: true,
    isStormy: true,
  }
}

/** A yes, or the right to send. */
const isYes = ({ previous, next }: Change) =>
  next.status === 'executing' || (previous.status === 'pending' && next.status === 'approved')

/** Whether the rule in force would let this approval go on, judged without any of the code under test but the policy itself. */
async function standsNow(revisions: Revisions, { asked, asking }: Approval, nowMs: number): Promise<boolean> {
  const inForce = await revisions.inForceOf(asked.server)
  const policy = inForce === null ? null : readPolicyText(inForce.source, inForce.text ?? '')
  if (inForce === null || policy?.ok !== true) return false
  const { name: agent, owner } = asked.requester
  const { server, tool } = asked
  const call = { server, tool, arguments: {}, session: null, agent, owner, facts: unknownTool, nowMs }
  const verdict = evaluate(policy.value, call)
  if (verdict.kind !== 'require_approval') return verdict.kind === 'allow'
  return effectiveRuleDigest(verdict, chainOf(verdict.terms, inForce.approvers)) === asking.ruleDigest
}

/** Revisions as one process uses them, with the same breaks as the ledger. */
export const revisionsOf = (world: SimWorld, owner: Owner): Revisions =>
  brittle('revisions', world.ledger.revisions, world, owner)

export const stopsOf = (world: SimWorld, owner: Owner): Stops =>
  brittle('stops', world.ledger.stops, world, owner)

/** Notes every nudge that somebody takes in hand, with the truth of that step. */
export function noting(nudges: Nudges, { ledger, scheduler, takenNudges }: SimWorld): Nudges {
  return {
    ...nudges,
    async take(id, channel, number) {
      const status = (await ledger.get(id))?.approval.status ?? null
      const place = await nudges.take(id, channel, number)
      if (place !== null) takenNudges.push({ atStep: scheduler.count(), key: `${id} ${number}`, status })
      return place
    },
  }
}

export const nudgesOf = (world: SimWorld, owner: Owner, nudges: Nudges): Nudges =>
  brittle('nudges', nudges, world, owner)

/** A channel that posts, refuses, or posts and says nothing of it. */
export function channelOf(world: SimWorld, owner: Owner): Channel {
  const { scheduler, dice, postedNudges } = world
  return {
    name: 'slack',
    show: async () => ({ place: 'card', renderDigest: '' }),
    tell: async () => true,
    nudge: ({ approval, nudge, people }) =>
      scheduler.use(owner, 'channel.nudge', () => {
        if (world.isStormy && dice.chance(0.2))
          throw new ChannelFault('away', true, null, { isCertainlyUnposted: true })
        const number =
          approval.nudges.findIndex(({ atMs, kind }) => atMs === nudge.atMs && kind === nudge.kind) + 1
        postedNudges.push(`${approval.id} ${number}`)
        if (world.isStormy && dice.chance(0.2)) throw new ChannelFault('no answer', true, null)
        return people.map(({ id }) => id)
      }),
  }
}

function brittle<Port extends object>(port: string, whole: Port, world: SimWorld, owner: Owner): Port {
  const { scheduler, dice } = world
  return new Proxy(whole, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver)
      // Hints get lost: nobody is told, everybody looks.
      if (name === 'onChange') return () => () => {}
      if (typeof value !== 'function') return value
      return (...args: unknown[]) =>
        scheduler.use(owner, `${port}.${String(name)}`, async () => {
          if (world.isStormy && dice.chance(0.02)) throw new Error('connection terminated')
          return value.apply(target, args)
        })
    },
  })
}

/** The ledger as one process uses it: effect and news are separate steps, and a connection may break before or after the effect. */
export function ledgerOf(world: SimWorld, owner: Owner): Ledger {
  const { scheduler, ledger, dice } = world
  const mayBreak = () => {
    if (world.isStormy && dice.chance(0.02)) throw new Error('connection terminated')
  }
  return new Proxy(ledger, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) =>
        scheduler.use(owner, `ledger.${String(name)}`, async () => {
          mayBreak()
          const result = await value.apply(target, args)
          mayBreak()
          return result
        })
    },
  })
}

export function queueOf(world: SimWorld, owner: Owner): Queue {
  const { scheduler, jobs, dice } = world
  const add = (kind: 'attend' | 'execute', id: ApprovalId, delayMs: number) =>
    scheduler.use(owner, `queue.${kind}`, () => {
      // An emptied queue loses jobs, a failed worker doubles them.
      if (world.isStormy && dice.chance(0.2)) return
      const times = world.isStormy && dice.chance(0.2) ? 2 : 1
      for (let n = 0; n < times; n++) jobs.push({ id, kind, dueMs: scheduler.nowMs() + delayMs })
    })
  return {
    setAlarm: (id, _version, delayMs) => add('attend', id, delayMs),
    requestExecution: (id) => add('execute', id, 0),
    requestDelivery: async () => {},
  }
}

let replies = 0

/** A requester's way to the upstream from one gateway. It can be away, break off after acting, or never answer. */
export function sessionOf(world: SimWorld, owner: Owner): UpstreamSession {
  const { scheduler, dice } = world
  return {
    describe: () =>
      scheduler.use(owner, 'upstream.describe', () =>
        world.isUpstreamUp
          ? {
              kind: 'listed',
              definition: { digest: world.toolDefinitionDigest, title: null, description: null },
            }
          : { kind: 'unavailable', reason: 'connection refused' },
      ),
    async send({ approvalId, canonicalParams, mayStillStart }) {
      if (!world.isUpstreamUp) return { kind: 'not_sent', reason: 'connection refused' }
      const reply = `"reply ${++replies}"`
      // Connecting takes time, in which the process may stand still.
      await scheduler.use(owner, 'upstream.connect', () => {})
      // One step: nothing of this process runs between the look and the first byte.
      const isSent = await scheduler.use(owner, 'upstream.send', () => {
        if (!mayStillStart()) return false
        world.hits.push({ atStep: scheduler.count(), approvalId, canonicalParams, reply })
        return true
      })
      if (!isSent) return { kind: 'not_sent', reason: 'the gateway stood still' }
      if (world.isStormy && dice.chance(0.2))
        return { kind: 'indeterminate', reason: 'connection reset', trace: unknownSend }
      await scheduler.use(owner, 'upstream.reply', () => {})
      return { kind: 'answered', reply: { kind: 'result', text: reply, isError: false } }
    },
  }
}

export const digestOfHit = (approval: Approval, canonicalParams: string): string =>
  bindingDigest({
    nonce: approval.nonce,
    server: approval.asked.server,
    tool: approval.asked.tool,
    canonicalParams,
    toolDefinitionDigest: approval.proposed.toolDefinitionDigest,
    ruleDigest: approval.asking.ruleDigest,
    requester: approval.asked.requester,
  })
