/**
 * Replays the decision log against rules that are not in force, with their limits and what conditions ask about the past, in the order
 * of time.
 */
import type { Approval } from '../domain/approval.ts'
import type { JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import {
  type ApproverChain,
  asIf,
  evaluate,
  limitsOn,
  mildestAnswer,
  talliesToRead,
  type Verdict,
} from '../domain/policy.ts'
import type { Person } from '../domain/principal.ts'
import { createReplayedLimits, type ReplayedLimits } from '../domain/replayed-limits.ts'
import { type Answer, createTallying, type Replayed, type Simulation } from '../domain/simulation.ts'
import type { Timings } from '../domain/timings.ts'
import type { DecisionLog, LoggedVerdict } from '../ports/decision-log.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Rules, ServerRules } from '../ports/rules.ts'
import { chainOfVerdict, PINNED_TOOLS } from './judge.ts'

/** @param spanMs how far back from now */
export type Simulate = (server: string, rules: ServerRules, spanMs: number) => Promise<Simulation>

/** Some seconds of work in pieces of milliseconds; beyond it the newest calls say enough. */
const REPLAYED_MAX = 100_000
/** They are kept until all are read, because limits count from the oldest on; most calls have less than a kilobyte. */
const REPLAYED_ARGUMENTS_BYTES_MAX = 64 * 1024 * 1024
const PAGE = 1_000
/** Settled approvals that say how long people take. */
const DECIDED_LOOKED_AT = 200

export function createSimulate(deps: {
  decisionLog: Pick<DecisionLog, 'list'>
  ledger: Pick<Ledger, 'nowMs' | 'list'>
  rules: Pick<Rules, 'facts'>
  people: ReadonlyMap<string, Person>
  timings: Pick<Timings, 'decisionMs'>
}): Simulate {
  const { decisionLog, ledger, rules: known, people, timings } = deps

  return async function simulate(server, rules, spanMs) {
    const toMs = await ledger.nowMs()
    const sinceMs = toMs - spanMs
    const { lines, isMore } = await linesOf(server, sinceMs)
    const tallying = createTallying(timings.decisionMs)
    const limits = createReplayedLimits()
    // Several gateways write it, each a second later.
    const inTime = lines.toReversed().sort((a, b) => a.atMs - b.atMs)
    for (const [index, line] of inTime.entries()) {
      tallying.add(replayed(line, rules, limits))
      // Other calls are served in between.
      if (index % PAGE === PAGE - 1) await new Promise((resolve) => setImmediate(resolve))
    }
    const usualDecisionMs = await usualDecision(server)
    return tallying.result({ sinceMs, toMs, isMore, usualDecisionMs })
  }

  /** Newest first. */
  async function linesOf(
    server: string,
    fromMs: number,
  ): Promise<{ lines: readonly Line[]; isMore: boolean }> {
    const lines: Line[] = []
    let before: number | null = null
    let [looked, bytes] = [0, 0]
    while (looked < REPLAYED_MAX && bytes < REPLAYED_ARGUMENTS_BYTES_MAX) {
      const page: readonly LoggedVerdict[] = await decisionLog.list({
        ...{ fromMs, server, agent: null, owner: null, verdict: null, isTried: false, limit: PAGE, before },
      })
      for (const line of page) {
        if (!saysSomething(line)) continue
        bytes += line.arguments?.length ?? 0
        lines.push(keptOf(line))
      }
      looked += page.length
      before = page.at(-1)?.id ?? null
      if (before === null) break
    }
    return { lines, isMore: before !== null }
  }

  function replayed(line: Line, { policy, approvers }: ServerRules, limits: ReplayedLimits): Replayed {
    const { server, tool, principal, session, atMs, category, risk, paramsDigest, keys } = line
    const args: JsonValue = line.arguments === null ? {} : JSON.parse(line.arguments)
    const call: JudgedCall = {
      ...{
        server,
        tool,
        session,
        agent: principal.name,
        owner: principal.owner,
        nowMs: atMs,
        arguments: args,
      },
      facts: known.facts?.(server, tool) ?? { category, risk },
      ...(line.arguments === null ? { onlyNames: keys } : {}),
    }
    const tallies = talliesToRead(policy, call).flatMap(({ key }) => {
      const count = limits.known(key, atMs)
      return count === null ? [] : [[key, count] as const]
    })
    const whole = { ...call, tallies: new Map(tallies) }
    const verdict = evaluate(policy, whole)
    const tried = asIf(policy, whole)
    // Its definition was not the accepted one: people are asked about such a call whatever a policy lets pass.
    const isQuarantined = line.rule?.startsWith(PINNED_TOOLS) === true
    const byRules = {
      strictest: isQuarantined ? asked(answerOf(verdict.kind)) : answerOf(verdict.kind),
      mildest: isQuarantined ? asked(mildestAnswer(policy, whole)) : mildestAnswer(policy, whole),
    }
    const { limits: counting, isUnmeasured } = limitsOn(policy, whole)
    const answer = limits.judge(counting, byRules, atMs)
    const limited = {
      strictest: answer.strictest === 'deny' && byRules.strictest !== 'deny',
      mildest: answer.mildest === 'deny' && byRules.mildest !== 'deny',
    }
    return {
      ...{ atMs, tool, was: answerOf(line.verdict), limited, isUnmeasured },
      ...{ strictest: answer.strictest, mildest: answer.mildest },
      asIf: tried === null ? null : limited.strictest ? 'deny' : answerOf(tried.kind),
      sameness: paramsDigest === null ? null : `${principal.name} ${principal.owner} ${paramsDigest}`,
      rule: answer.rule ?? (verdict.kind === 'hide' ? null : verdict.rule),
      asked: askedBy(chainOfVerdict(verdict, approvers), principal.owner),
    }
  }

  function askedBy({ groups, people: named, selfConfirm }: ApproverChain, owner: string): readonly string[] {
    return [...people.values()]
      .filter((person) => named.includes(person.id) || person.groups.some((group) => groups.includes(group)))
      .map(({ id }) => id)
      .filter((id) => id !== owner)
      .concat(selfConfirm ? [owner] : [])
  }

  async function usualDecision(server: string): Promise<number | null> {
    const settled = await ledger.list({
      ...{ statuses: ['settled'], principal: null, limit: DECIDED_LOOKED_AT, after: null },
    })
    const took = settled.filter(({ asked }) => asked.server === server).flatMap(decidedWithin)
    return took.sort((a, b) => a - b)[Math.floor(took.length / 2)] ?? null
  }
}

/** What a replay needs of a line. */
type Line = Pick<
  LoggedVerdict,
  | 'server'
  | 'tool'
  | 'principal'
  | 'session'
  | 'atMs'
  | 'category'
  | 'risk'
  | 'paramsDigest'
  | 'keys'
  | 'arguments'
  | 'verdict'
  | 'rule'
>

function keptOf(line: LoggedVerdict): Line {
  const { server, tool, principal, session, atMs, category, risk, paramsDigest, keys } = line
  return {
    ...{ server, tool, principal, session, atMs, category, risk, paramsDigest, keys },
    ...{ arguments: line.arguments, verdict: line.verdict, rule: line.rule },
  }
}

/** Not a stopped call, which no policy was asked about, and no call of Holdpoint's own. */
const saysSomething = ({ verdict }: LoggedVerdict) => verdict !== 'stopped' && verdict !== 'look_up'

const asked = (answer: Answer): Answer => (answer === 'allow' ? 'require_approval' : answer)

function decidedWithin(approval: Approval): readonly number[] {
  if (approval.status !== 'settled' || !('decision' in approval.outcome)) return []
  return [approval.outcome.decision.atMs - approval.createdAtMs]
}

function answerOf(kind: LoggedVerdict['verdict'] | Verdict['kind']): Answer {
  if (kind === 'hide' || kind === 'not_set_up' || kind === 'stopped') return 'deny'
  if (kind === 'limited') return 'deny'
  return kind === 'look_up' ? 'allow' : kind
}
