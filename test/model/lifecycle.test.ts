/**
 * Every order of events, breadth first: two calls, two gateways that read, claim, send and report in steps of their own,
 * crash between any two of them or stand still past their lease, people, deadlines and an operator. The records change
 * only by the real `transition`, guarded by the version as `save` is. All promises hold in every state, and from every
 * state each accepted call can still come to an end.
 */
import { expect, test } from 'vitest'
import type { Approval, Outcome } from '../../src/domain/approval.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

const CALLS = [0, 1]
const NODES = [0, 1]

/** What one gateway is doing about a call: `held` is the version it has read, the rest is past its claim. */
type Step = 'idle' | 'read' | 'claimed' | 'sent' | 'answered'

interface Call {
  /** `none`: not asked yet. */
  readonly approval: Approval | null
  readonly hits: number
  /** Decisions that were durable when the request went out. */
  readonly hitAfterDecision: boolean
  readonly hitAfterEnd: boolean
}

interface Node {
  readonly isAlive: boolean
  /** Others take it for dead, whether it is or stands still. */
  readonly isLeaseLapsed: boolean
  readonly step: Step
  readonly call: number
  readonly version: number
}

interface State {
  readonly calls: readonly Call[]
  readonly nodes: readonly Node[]
}

const start: State = {
  calls: CALLS.map(() => ({ approval: null, hits: 0, hitAfterDecision: true, hitAfterEnd: false })),
  nodes: NODES.map(() => ({ isAlive: true, isLeaseLapsed: false, step: 'idle', call: 0, version: 0 })),
}

const fresh = CALLS.map((n) => anApproval({ nowMs: 0, decisionMs: 100, call: { arguments: { n } } }).approval)
const reply = { kind: 'result', isError: false, digest: 'd', bytes: 1 } as const
const unexecuted: readonly Outcome['kind'][] = [
  'rejected',
  'expired',
  'lapsed',
  'cancelled',
  'invalidated',
  'not_sent',
]

const changeCall = (state: State, at: number, change: Partial<Call>): State => ({
  ...state,
  calls: state.calls.map((call, n) => (n === at ? { ...call, ...change } : call)),
})
const changeNode = (state: State, at: number, change: Partial<Node>): State => ({
  ...state,
  nodes: state.nodes.map((node, n) => (n === at ? { ...node, ...change } : node)),
})

/** The next record by the real function; `null` where it refuses. Time is whatever lets the event be judged. */
function next(approval: Approval, event: ApprovalEvent): Approval | null {
  const nowMs = event.kind === 'expire' ? 100 : event.kind === 'lapse' ? 10 + timings.startByMs : 10
  const step = transition(approval, event, nowMs, timings)
  return step.ok ? step.value.next : null
}

/** A guarded write: `null` where the record has moved on or the event is refused. */
function save(state: State, at: number, event: ApprovalEvent, version: number | null = null): State | null {
  const approval = state.calls[at]?.approval ?? null
  if (approval === null || (version !== null && approval.version !== version)) return null
  const after = next(approval, event)
  return after === null ? null : changeCall(state, at, { approval: after })
}

function* successors(state: State): Generator<State> {
  for (const at of CALLS) {
    const { approval } = state.calls[at] ?? {}
    if (approval === null) {
      yield changeCall(state, at, { approval: fresh[at] ?? null })
      continue
    }
    if (approval === undefined) continue
    const reject = { ...approveEvent(approval).decision, kind: 'reject' as const }
    const events: readonly ApprovalEvent[] = [
      approveEvent(approval),
      { kind: 'decide', decision: reject },
      { kind: 'expire' },
      { kind: 'lapse' },
      { kind: 'cancel', by: 'jun', reason: null },
      { kind: 'invalidate', change: 'tool', successor: null, forbidden: false },
    ]
    for (const event of events) {
      const after = save(state, at, event)
      if (after !== null) yield after
    }
    // Whoever attends finds an executing call whose gateway has no lease.
    if (approval.status === 'executing') {
      const owner = state.nodes[Number(approval.claim.node)]
      if (owner?.isLeaseLapsed === true) {
        const after = save(state, at, { kind: 'lose_track', reason: 'lease' })
        if (after !== null) yield after
      }
    }
  }
  for (const at of NODES) yield* stepsOf(state, at)
}

function* stepsOf(state: State, at: number): Generator<State> {
  const node = state.nodes[at]
  if (node === undefined || !node.isAlive) return
  // It dies, or it stands still for so long that others take it for dead.
  yield changeNode(state, at, { isAlive: false, isLeaseLapsed: true, step: 'idle' })
  if (!node.isLeaseLapsed) yield changeNode(state, at, { isLeaseLapsed: true })

  const { step, call, version } = node
  const record = state.calls[call]
  const idle = (from: State) => changeNode(from, at, { step: 'idle' })
  switch (step) {
    case 'idle':
      for (const other of CALLS) {
        const { approval } = state.calls[other] ?? {}
        if (approval?.status === 'approved') {
          yield changeNode(state, at, { step: 'read', call: other, version: approval.version })
        }
      }
      return
    case 'read': {
      const claimed = save(state, call, { kind: 'claim', node: String(at) }, version)
      yield claimed === null ? idle(state) : changeNode(claimed, at, { step: 'claimed' })
      return
    }
    case 'claimed': {
      // The fence: asked right before the first byte.
      if (node.isLeaseLapsed) {
        yield idle(save(state, call, { kind: 'fail_unsent', reason: 'stood still' }) ?? state)
        return
      }
      if (record === undefined) return
      const { approval } = record
      const isDecided =
        approval?.status === 'executing' && approval.decision.digest === approval.proposed.digest
      const isOver = approval?.status === 'settled' && unexecuted.includes(approval.outcome.kind)
      const sent = changeCall(state, call, {
        hits: record.hits + 1,
        hitAfterDecision: record.hitAfterDecision && isDecided,
        hitAfterEnd: record.hitAfterEnd || isOver,
      })
      yield changeNode(sent, at, { step: 'sent' })
      // Or the connection is refused, which proves that nothing left.
      yield idle(save(state, call, { kind: 'fail_unsent', reason: 'refused' }) ?? state)
      return
    }
    case 'sent':
      yield changeNode(state, at, { step: 'answered' })
      yield idle(save(state, call, { kind: 'lose_track', reason: 'reset' }) ?? state)
      return
    case 'answered':
      yield idle(save(state, call, { kind: 'answer', reply }) ?? state)
      return
  }
}

function broken({ calls }: State): string | null {
  for (const { approval, hits, hitAfterDecision, hitAfterEnd } of calls) {
    if (hits > 1) return 'I1: sent twice'
    if (!hitAfterDecision) return 'I2: sent without a durable decision on this digest'
    if (hitAfterEnd) return 'I3: sent after it had ended'
    if (approval?.status !== 'settled') continue
    const { kind } = approval.outcome
    if (unexecuted.includes(kind) && hits > 0) return `I5: ${kind}, but it was sent`
    if (kind === 'answered' && hits !== 1) return 'I5: answered, but it was not sent'
  }
  return null
}

const keyOf = ({ calls, nodes }: State): string => {
  const record = ({ approval, hits }: Call) =>
    approval === null
      ? '-'
      : `${approval.version}${approval.status}${approval.status === 'settled' ? approval.outcome.kind : ''}${
          approval.status === 'executing' ? approval.claim.node : ''
        }${hits}`
  const process = ({ isAlive, isLeaseLapsed, step, call, version }: Node) =>
    `${isAlive ? 1 : 0}${isLeaseLapsed ? 1 : 0}${step}${step === 'idle' ? '' : `${call}.${version}`}`
  return [...calls.map(record), ...nodes.map(process)].join('|')
}

const isOver = ({ calls }: State) => calls.every(({ approval }) => approval?.status === 'settled')

test('all promises hold in every state, and every state can come to an end', { timeout: 120_000 }, () => {
  const seen = new Set<string>()
  const parents = new Map<string, string[]>()
  const ends: string[] = []
  let frontier: State[] = [start]
  seen.add(keyOf(start))
  while (frontier.length > 0) {
    const following: State[] = []
    for (const state of frontier) {
      const key = keyOf(state)
      expect(broken(state), key).toBeNull()
      if (isOver(state)) ends.push(key)
      for (const after of successors(state)) {
        const next = keyOf(after)
        parents.set(next, [...(parents.get(next) ?? []), key])
        if (seen.has(next)) continue
        seen.add(next)
        following.push(after)
      }
    }
    frontier = following
  }

  // Backwards from the ends: whatever is not met could be stuck for ever.
  const canEnd = new Set(ends)
  const open = [...ends]
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    for (const parent of parents.get(key) ?? []) {
      if (canEnd.has(parent)) continue
      canEnd.add(parent)
      open.push(parent)
    }
  }
  console.log(`${seen.size} states, ${ends.length} of them ends`)
  expect([...seen].filter((key) => !canEnd.has(key))).toEqual([])
  expect(seen.size).toBeGreaterThan(1_000)
})
