/** The real services on a memory ledger, a hand-moved clock and an upstream that does as it is told. */

import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { defaultLimits, type Limits } from '../../src/domain/limits.ts'
import type { OnClientGone } from '../../src/domain/policy/rule.ts'
import type { ApproverChain } from '../../src/domain/policy.ts'
import type { Person } from '../../src/domain/principal.ts'
import { err } from '../../src/domain/result.ts'
import { type ToolFacts, unknownTool } from '../../src/domain/risk.ts'
import { defaultTimings, type Timings } from '../../src/domain/timings.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { random } from '../../src/launch/random.ts'
import { createServices } from '../../src/launch/services.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Revisions } from '../../src/ports/revisions.ts'
import type {
  AloneSession,
  Described,
  SendRequest,
  Sent,
  UpstreamSession,
} from '../../src/ports/upstream-session.ts'
import type { WakeUps } from '../../src/ports/wake-ups.ts'
import type { ToRecord } from '../../src/services/record-verdicts.ts'
import { createRulesInForce } from '../../src/services/rules-in-force.ts'
import { createLease } from '../../src/services/watch.ts'
import {
  agent,
  aRevision,
  aToolCall,
  type CallWish,
  approvers as defaultApprovers,
  mina,
  owner,
} from './builders.ts'
import { createMemoryCounters, type MemoryCounters } from './memory-counters.ts'
import { createMemoryLedger, type MemoryLedger } from './memory-ledger.ts'

export interface TestUpstream extends UpstreamSession {
  described: Described
  answer: (request: SendRequest) => Promise<Sent>
  readonly sent: SendRequest[]
}

export function aTestUpstream(): TestUpstream {
  const upstream: TestUpstream = {
    described: { kind: 'listed', definition: { digest: 'd'.repeat(64), title: null, description: null } },
    answer: async () => ({
      kind: 'answered',
      reply: { kind: 'result', text: '{"content":[]}', isError: false },
    }),
    sent: [],
    describe: async () => upstream.described,
    send(request) {
      upstream.sent.push(request)
      return upstream.answer(request)
    },
  }
  return upstream
}

export interface World {
  readonly ledger: MemoryLedger
  readonly upstream: TestUpstream
  readonly jobs: string[]
  /** What is read for people. */
  reads: AloneSession['read']
  /** Sessions of a gateway's own that were closed, by the approval they were for. */
  readonly closed: string[]
  /** What was taken down for the decision log. */
  readonly recorded: ToRecord[]
  /** Puts another policy in force, or the same with other approvers. @returns its number */
  putInForce(text: string, approvers?: ApproverChain): Promise<number>
  readonly counters: MemoryCounters
  readonly wakeUps: WakeUps
}

/** What several gateways share. */
export function aWorld(startMs?: number): World {
  const listeners = new Set<(id: ApprovalId | 'all') => void>()
  const ledger = createMemoryLedger(startMs)
  async function putInForce(text: string, approvers: ApproverChain = defaultApprovers): Promise<number> {
    const after = (await ledger.revisions.inForce()).get('github') ?? null
    const number = await ledger.revisions.putInForce(aRevision(text, { approvers }), after)
    if (number === null) throw new Error('somebody else was first')
    return number
  }
  return {
    ledger,
    upstream: aTestUpstream(),
    jobs: [],
    reads: async () => err('nothing is read here'),
    closed: [],
    recorded: [],
    putInForce,
    counters: createMemoryCounters(),
    wakeUps: {
      async announce(id) {
        for (const listener of listeners) listener(id)
      },
      onWakeUp(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
  }
}

export async function aGateway(
  world: World,
  options: {
    /** The directory. */
    people?: readonly Person[]
    onClientGoneOf?: (agent: string) => OnClientGone | null
    node?: string
    timings?: Partial<Timings>
    limits?: Partial<Limits>
    revisions?: Revisions
    clock?: Clock
    /** Whether a definition is the accepted one; it is, if nothing is said. */
    isAccepted?: (server: string, tool: string, digest: string) => boolean
    /** What is known about tools; nothing, if it is not said. */
    facts?: (tool: string) => ToolFacts
  } = {},
) {
  const node = options.node ?? 'gateway-1'
  const timings = { ...defaultTimings, loopMs: 5, ...options.timings }
  const stop = new AbortController()
  const { ledger, upstream, jobs, wakeUps } = world
  if ((await ledger.revisions.inForce()).size === 0) await world.putInForce('default: require_approval')
  const revisions = options.revisions ?? ledger.revisions
  const rules = createRulesInForce({
    ...{ revisions, servers: ['github'], readPolicy: readPolicyText, clock, log: silentLog },
    tools: {
      facts: (_server, tool) => options.facts?.(tool) ?? unknownTool,
      quarantineOf: () => null,
      isAccepted: options.isAccepted ?? (() => true),
    },
  })
  await rules.refresh()
  revisions.onChange(() => void rules.refresh())
  const lease = createLease(clock, timings)
  lease.renewed(clock.monotonicMs())
  const services = createServices({
    directory: {
      person: (id) => (options.people ?? [mina, owner]).find((one) => one.id === id) ?? null,
      people: () => options.people ?? [mina, owner],
    },
    onClientGoneOf: options.onClientGoneOf ?? (() => null),
    lease,
    ledger,
    counters: world.counters,
    wakeUps,
    queue: {
      async setAlarm(id, version) {
        jobs.push(`alarm ${id}.${version}`)
      },
      async requestDelivery(id, version) {
        jobs.push(`deliver ${id}.${version}`)
      },
      async requestExecution(id, version) {
        jobs.push(`execute ${id}.${version}`)
      },
    },
    hasChannels: true,
    recordVerdict: (verdict) => void world.recorded.push(verdict),
    rules,
    stops: ledger.stops,
    node,
    timings,
    limits: { ...defaultLimits, ...options.limits },
    openAlone: (approval) => ({
      ...upstream,
      read: (request) => world.reads(request),
      close: async () => void world.closed.push(approval.id),
    }),
    stopping: stop.signal,
    clock: options.clock ?? clock,
    random,
    log: silentLog,
  })
  wakeUps.onWakeUp((id) => (id === 'all' ? services.waiters.wakeAll() : services.waiters.wake(id)))
  await ledger.renewLease(node, timings.nodeLeaseMs)

  return {
    ...services,
    lease,
    stop,
    rules,
    async ask(wish: CallWish = {}, session: UpstreamSession = upstream) {
      const call = aToolCall({ principal: agent, ...wish })
      const { server, tool, principal } = call
      const judged = await services.judge({
        ...{ server, tool, principal, arguments: wish.arguments ?? {}, session: null, nowMs: 1_000_000 },
      })
      if (judged?.verdict.kind !== 'require_approval') throw new Error('the policy in force does not ask')
      const { verdict, approvers, revision } = judged
      return services.ask({ call, verdict, approvers, revision, client: 'test 1.0', session })
    },
    hold: (
      id: ApprovalId,
      holdMs = 5_000,
      signal = new AbortController().signal,
      session: UpstreamSession = upstream,
    ) => services.awaitOutcome({ id, session, holdMs, signal, onLook: () => {} }),
    async decide(id: ApprovalId, answer: 'approve' | 'reject' = 'approve', person = mina) {
      const reading = await ledger.get(id)
      const digest = reading?.approval.proposed.digest ?? ''
      return services.people.decide({ id, person, answer, digest, reason: null, via: 'api' })
    },
  }
}
