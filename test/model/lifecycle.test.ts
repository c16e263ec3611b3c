/**
 * Every order of events, breadth first: gateways that read, claim, send and report in steps of their own, crash between any two
 * of them, stand still past their lease and come back, or never hear that the ledger took their claim (as in a failover); people
 * who decide, edit and give more time; repeats, and calls that are asked again; deadlines and an operator. The records change only
 * by the real `transition`, guarded by the version as `save` is. All promises hold in every state, and from every state each
 * accepted call can still come to an end. Gateways are all alike, and so are calls: states that differ by their names are one.
 *
 * Three worlds, because together they would be millions of states: two calls at two gateways without edits and repeats, one
 * call at three gateways with all of them, and one at two gateways where two of three people have to say yes, who also take
 * it back and leave. Calls meet only where one gateway is busy with another.
 */
import { expect, test } from 'vitest'
import type { Approval, Asking, Outcome } from '../../src/domain/approval.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import { anApproval, approveEvent } from '../support/builders.ts'
import { brokenYeses, deedsOn, type Meant, meantAfter, nameOfMeant, nobodyYet, twoYeses } from './people.ts'

interface Config {
  readonly calls: number
  readonly nodes: number
  /** Edits, more time, the same call after its end, and asking again: each once for each call. */
  readonly hasExtras: boolean
  /** The standby follows late, so that a failover forgets what it has not got. Once. */
  readonly isAsynchronous: boolean
  /** Two people have to say yes; `blind`: and nobody looks whether they still may. */
  readonly yeses?: 'two' | 'blind'
}

const range = (length: number) => Array.from({ length }, (_, n) => n)

/** What one gateway is doing about a call: `held` is the version it has read, the rest is past its claim. */
type Step = 'idle' | 'read' | 'claimed' | 'sent' | 'answered'

interface Call {
  /** `none`: not asked yet. */
  readonly approval: Approval | null
  readonly hits: number
  /** Decisions that were durable when the request went out. */
  readonly hitAfterDecision: boolean
  readonly hitAfterEnd: boolean
  /** Somebody was told an outcome that says that nothing was executed. */
  readonly toldUnexecuted: boolean
  /** How often it has been asked for before: the approvals of before are over and cannot be sent any more. */
  readonly generation: number
  /** What a standby that follows late has of it. */
  readonly standby: Approval | null
  readonly meant: Meant
}

interface Node {
  readonly isAlive: boolean
  /** Others take it for dead, whether it is or stands still. */
  readonly isLeaseLapsed: boolean
  /** Since its claim, whatever became of the lease afterwards. */
  readonly hasLapsed: boolean
  readonly step: Step
  readonly call: number
  readonly version: number
}

interface State {
  readonly hasFailedOver: boolean
  readonly calls: readonly Call[]
  readonly nodes: readonly Node[]
}

const unasked: Call = {
  ...{ approval: null, hits: 0, hitAfterDecision: true, hitAfterEnd: false },
  ...{ toldUnexecuted: false, generation: 0, standby: null, meant: nobodyYet },
}
const rested: Node = {
  isAlive: true,
  isLeaseLapsed: false,
  hasLapsed: false,
  step: 'idle',
  call: 0,
  version: 0,
}
const startOf = ({ calls, nodes }: Config): State => ({
  hasFailedOver: false,
  calls: range(calls).map(() => unasked),
  nodes: range(nodes).map(() => rested),
})

/** Of each call as often as it may be asked for. */
const GENERATIONS = 2
const freshBy = (asking: Partial<Asking>) =>
  range(2).map((n) =>
    range(GENERATIONS).map(
      () => anApproval({ nowMs: 0, decisionMs: 100, call: { arguments: { n } }, asking }).approval,
    ),
  )
const oneYes = freshBy({})
const severalYeses = freshBy({ stages: twoYeses })
const freshIn = ({ yeses }: Config) => (yeses === undefined ? oneYes : severalYeses)
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

const LATER_MS = 100 + 60_000

/** The next record by the real function; `null` where it refuses. Time is whatever lets the event be judged. */
function next(approval: Approval, event: ApprovalEvent): Approval | null {
  const nowMs =
    event.kind === 'expire'
      ? approval.expiresAtMs
      : event.kind === 'lapse'
        ? LATER_MS + timings.startByMs
        : 10
  const step = transition(approval, event, nowMs, timings)
  return step.ok ? step.value.next : null
}

/** A guarded write: `null` where the record has moved on or the event is refused. */
function save(state: State, at: number, event: ApprovalEvent, version: number | null = null): State | null {
  const approval = state.calls[at]?.approval ?? null
  if (approval === null || (version !== null && approval.version !== version)) return null
  const after = next(approval, event)
  if (after === null) return null
  const meant = meantAfter(approval, after, state.calls[at]?.meant ?? nobodyYet)
  return changeCall(state, at, { approval: after, meant })
}

function* successors(state: State, config: Config): Generator<State> {
  for (const at of range(config.calls)) {
    const call = state.calls[at]
    if (call === undefined) continue
    const { approval } = call
    if (approval === null) {
      yield changeCall(state, at, { approval: freshIn(config)[at]?.[0] ?? null })
      continue
    }
    const reject = { ...approveEvent(approval).decision, kind: 'reject' as const }
    const events: readonly ApprovalEvent[] = [
      ...(config.yeses === undefined ? [approveEvent(approval)] : []),
      { kind: 'decide', decision: reject },
      { kind: 'expire' },
      { kind: 'lapse' },
      { kind: 'cancel', by: 'jun', reason: null },
      { kind: 'invalidate', change: 'tool', successor: null, forbidden: false },
      ...(config.hasExtras ? extras(approval) : []),
    ]
    for (const event of events) {
      const after = save(state, at, event)
      if (after !== null) yield after
    }
    if (config.yeses !== undefined) yield* saidTo(state, at, config)
    // Somebody hears how it ended; what is forgotten later was said all the same.
    if (approval.status === 'settled' && unexecuted.includes(approval.outcome.kind) && !call.toldUnexecuted)
      yield changeCall(state, at, { toldUnexecuted: true })
    // Whoever attends finds an executing call whose gateway has no lease, or a gateway one of its own that it does not know of.
    if (approval.status === 'executing') {
      const node = state.nodes[Number(approval.claim.node)]
      const isUnknown = node?.isAlive === true && node.step === 'idle'
      if (node?.isLeaseLapsed === true || isUnknown) {
        const after = save(state, at, { kind: 'lose_track', reason: 'lease' })
        if (after !== null) yield after
      }
    }
    if (config.hasExtras && approval.status === 'settled') yield* askedAgain(state, at, call, config)
    if (config.isAsynchronous && call.standby !== approval) yield changeCall(state, at, { standby: approval })
  }
  if (config.isAsynchronous && !state.hasFailedOver) {
    const calls = state.calls.map((call) => ({ ...call, approval: call.standby }))
    yield { ...state, calls, hasFailedOver: true }
  }
  for (const at of range(config.nodes)) yield* stepsOf(state, at, config)
}

/** Several people, each by themselves. */
function* saidTo(state: State, at: number, { yeses }: Config): Generator<State> {
  const { approval = null, meant = nobodyYet } = state.calls[at] ?? {}
  if (approval === null) return
  for (const deed of deedsOn(approval, meant, yeses === 'blind')) {
    const after = deed.event === null ? state : save(state, at, deed.event)
    if (after !== null) yield changeCall(after, at, { meant: deed.meant })
  }
}

/** What people do to a call that waits; also a yes to what stood there before an edit, which must count for nothing. */
function extras(approval: Approval): ApprovalEvent[] {
  const said = { by: 'mina', via: 'cli', reason: null } as const
  const [edit] = approval.edits
  if (edit !== undefined) {
    const stale = { ...approveEvent(approval).decision, digest: edit.replaced.digest }
    return [{ kind: 'decide', decision: stale }]
  }
  const { digest, canonicalParams } = approval.proposed
  const edited = canonicalParams.replace('"n":', '"N":')
  return [
    { kind: 'edit', canonicalParams: edited, digest, nonce: 'another', ...said },
    { kind: 'extend', expiresAtMs: LATER_MS, ...said },
  ]
}

/** The same call after its end, or a person who asks again where nobody knows the end: another approval, never another send of this one. */
function* askedAgain(
  state: State,
  at: number,
  { approval, generation }: Call,
  config: Config,
): Generator<State> {
  const successor = freshIn(config)[at]?.[generation + 1]
  if (successor === undefined || approval?.status !== 'settled') return
  const isBusy = state.nodes.some(({ step, call }) => step !== 'idle' && call === at)
  const { outcome } = approval
  if (outcome.kind === 'indeterminate') {
    const said = { by: 'mina', via: 'cli', reason: null } as const
    if (next(approval, { kind: 'ask_again', successor: successor.id, ...said }) === null) return
  }
  // A gateway that is late with the earlier one reports to that one, which has ended: it is left out until it has.
  if (!isBusy) yield changeCall(state, at, { ...unasked, approval: successor, generation: generation + 1 })
}

function* stepsOf(state: State, at: number, config: Config): Generator<State> {
  const node = state.nodes[at]
  if (node === undefined || !node.isAlive) return
  // It dies, or it stands still for so long that others take it for dead.
  yield changeNode(state, at, { isAlive: false, isLeaseLapsed: true, step: 'idle' })
  if (!node.isLeaseLapsed)
    yield changeNode(state, at, { isLeaseLapsed: true, hasLapsed: node.step === 'claimed' })
  // It goes on as if nothing had happened, and renews its lease.
  else yield changeNode(state, at, { isLeaseLapsed: false })

  const { step, call, version } = node
  const record = state.calls[call]
  const idle = (from: State) => changeNode(from, at, { step: 'idle' })
  switch (step) {
    case 'idle':
      for (const other of range(config.calls)) {
        const { approval } = state.calls[other] ?? {}
        if (approval?.status === 'approved') {
          yield changeNode(state, at, { step: 'read', call: other, version: approval.version })
        }
      }
      return
    case 'read': {
      const claimed = save(state, call, { kind: 'claim', node: String(at) }, version)
      yield claimed === null
        ? idle(state)
        : changeNode(claimed, at, { step: 'claimed', hasLapsed: node.isLeaseLapsed })
      // Taken, and the news of it is lost: the gateway believes that it has no claim.
      if (claimed !== null) yield idle(claimed)
      return
    }
    case 'claimed': {
      // The fence: asked right before the first byte.
      if (node.isLeaseLapsed || node.hasLapsed) {
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
        hitAfterEnd: record.hitAfterEnd || isOver || record.toldUnexecuted,
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

function broken({ calls }: State, { yeses }: Config): string | null {
  for (const { approval, hits, hitAfterDecision, hitAfterEnd, meant } of calls) {
    if (hits > 1) return 'I1: sent twice'
    if (!hitAfterDecision) return 'I2: sent without a durable decision on this digest'
    if (hitAfterEnd) return 'I3: sent after it had ended'
    const said = approval === null || yeses === undefined ? null : brokenYeses(approval, meant)
    if (said !== null) return said
    if (approval?.status !== 'settled') continue
    const { kind } = approval.outcome
    if (unexecuted.includes(kind) && hits > 0) return `I5: ${kind}, but it was sent`
    if (kind === 'answered' && hits !== 1) return 'I5: answered, but it was not sent'
  }
  return null
}

/** Gateways are alike, and calls are alike: the smallest of all names for the same state stands for it. */
function keyOf(state: State): string {
  const { calls, nodes, hasFailedOver } = state
  const names = ordersOf(calls.length).flatMap((callOrder) =>
    ordersOf(nodes.length).map((nodeOrder) => nameOf(state, callOrder, nodeOrder)),
  )
  return `${hasFailedOver ? 'F' : ''}${names.reduce((least, name) => (name < least ? name : least))}`
}

function nameOf({ calls, nodes }: State, callOrder: readonly number[], nodeOrder: readonly number[]): string {
  const record = (approval: Approval | null) =>
    approval === null
      ? '-'
      : `${approval.version}${approval.status}${approval.edits.length}${approval.expiresAtMs === 100 ? '' : 'x'}${
          approval.status === 'settled' ? approval.outcome.kind : ''
        }${approval.status === 'executing' ? nodeOrder.indexOf(Number(approval.claim.node)) : ''}`
  const one = (call: Call | undefined) =>
    call === undefined
      ? ''
      : `${record(call.approval)}${nameOfMeant(call.approval, call.meant)}${call.hits}${call.toldUnexecuted ? 't' : ''}g${call.generation}/${record(call.standby)}`
  const process = (node: Node | undefined) =>
    node === undefined
      ? ''
      : `${node.isAlive ? 1 : 0}${node.isLeaseLapsed ? 1 : 0}${node.hasLapsed && node.step === 'claimed' ? 1 : 0}${node.step}${
          node.step === 'idle' ? '' : `${callOrder.indexOf(node.call)}.${node.version}`
        }`
  return [...callOrder.map((at) => one(calls[at])), ...nodeOrder.map((at) => process(nodes[at]))].join('|')
}

const orders = new Map<number, readonly (readonly number[])[]>()
function ordersOf(length: number): readonly (readonly number[])[] {
  const known = orders.get(length)
  if (known !== undefined) return known
  const all: (readonly number[])[] =
    length === 0
      ? [[]]
      : ordersOf(length - 1).flatMap((rest) =>
          range(length).map((place) => [...rest.slice(0, place), length - 1, ...rest.slice(place)]),
        )
  orders.set(length, all)
  return all
}

const isOver = ({ calls }: State) => calls.every(({ approval }) => approval?.status === 'settled')

function explore(config: Config) {
  const start = startOf(config)
  const seen = new Set<string>([keyOf(start)])
  const parents = new Map<string, string[]>()
  const ends: string[] = []
  let frontier: State[] = [start]
  let violation: string | null = null
  while (frontier.length > 0 && violation === null) {
    const following: State[] = []
    for (const state of frontier) {
      const key = keyOf(state)
      violation ??= broken(state, config)
      if (isOver(state)) ends.push(key)
      for (const after of successors(state, config)) {
        const next = keyOf(after)
        const known = parents.get(next)
        if (known === undefined) parents.set(next, [key])
        else known.push(key)
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
  const stuck = [...seen].filter((key) => !canEnd.has(key))
  return { violation, stuck, states: seen.size, ends: ends.length }
}

test.each([
  ['two calls at two gateways', { calls: 2, nodes: 2, hasExtras: false, isAsynchronous: false }],
  [
    'one call at three gateways, with edits, more time, repeats and asking again',
    { calls: 1, nodes: 3, hasExtras: true, isAsynchronous: false },
  ],
  [
    'one call at two gateways, with edits and repeats, where two of three people have to say yes',
    { calls: 1, nodes: 2, hasExtras: true, isAsynchronous: false, yeses: 'two' },
  ],
] satisfies [string, Config][])(
  '%s: all promises hold in every state, and every state can come to an end',
  { timeout: 600_000 },
  (what, config) => {
    const { violation, stuck, states, ends } = explore(config)
    console.log(`${what}: ${states} states, ${ends} of them ends`)
    expect(violation).toBeNull()
    expect(stuck).toEqual([])
    expect(states).toBeGreaterThan(1_000)
  },
)

test('a standby that follows late breaks a promise, and the check finds it', { timeout: 600_000 }, () => {
  const { violation } = explore({ calls: 1, nodes: 2, hasExtras: false, isAsynchronous: true })
  expect(violation).toMatch(/^I[1235]: /)
  console.log(`asynchronous standby: ${violation}`)
})

test('where nobody looks who has left the group meanwhile, the check finds it', { timeout: 120_000 }, () => {
  const config = { calls: 1, nodes: 1, hasExtras: false, isAsynchronous: false, yeses: 'blind' } as const
  expect(explore(config).violation).toMatch(/^I6: approved by 1 of 2/)
})
