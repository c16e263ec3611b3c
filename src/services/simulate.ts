/** Replays the decision log against rules that are not in force. Limits and conditions about the past are not replayed. */
import type { Approval } from '../domain/approval.ts'
import type { JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import { type ApproverChain, asIf, evaluate, mildestAnswer, type Verdict } from '../domain/policy.ts'
import type { Person } from '../domain/principal.ts'
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
    const tallying = createTallying(timings.decisionMs)
    let before: number | null = null
    let calls = 0
    while (calls < REPLAYED_MAX) {
      const page: readonly LoggedVerdict[] = await decisionLog.list({
        ...{
          fromMs: sinceMs,
          server,
          agent: null,
          owner: null,
          verdict: null,
          isTried: false,
          limit: PAGE,
          before,
        },
      })
      for (const line of page) if (saysSomething(line)) tallying.add(replayed(line, rules))
      calls += page.length
      before = page.at(-1)?.id ?? null
      if (before === null) break
    }
    const usualDecisionMs = await usualDecision(server)
    return tallying.result({ sinceMs, toMs, isMore: before !== null, usualDecisionMs })
  }

  function replayed(line: LoggedVerdict, { policy, approvers }: ServerRules): Replayed {
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
    const verdict = evaluate(policy, call)
    const tried = asIf(policy, call)
    // Its definition was not the accepted one: people are asked about such a call whatever a policy lets pass.
    const isQuarantined = line.rule?.startsWith(PINNED_TOOLS) === true
    return {
      ...{ atMs, tool, was: answerOf(line.verdict) },
      strictest: isQuarantined ? asked(answerOf(verdict.kind)) : answerOf(verdict.kind),
      mildest: isQuarantined ? asked(mildestAnswer(policy, call)) : mildestAnswer(policy, call),
      asIf: tried === null ? null : answerOf(tried.kind),
      sameness: paramsDigest === null ? null : `${principal.name} ${principal.owner} ${paramsDigest}`,
      rule: verdict.kind === 'hide' ? null : verdict.rule,
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

/** Not a stopped call, which no policy was asked about, and no call of Holdpoint's own. */
const saysSomething = ({ verdict }: LoggedVerdict) => verdict !== 'stopped' && verdict !== 'look_up'

const asked = (answer: Answer): Answer => (answer === 'allow' ? 'require_approval' : answer)

function decidedWithin(approval: Approval): readonly number[] {
  if (approval.status !== 'settled' || !('decision' in approval.outcome)) return []
  return [approval.outcome.decision.atMs - approval.createdAtMs]
}

function answerOf(kind: LoggedVerdict['verdict'] | Verdict['kind']): Answer {
  if (kind === 'hide' || kind === 'not_set_up' || kind === 'stopped') return 'deny'
  // Limits are not replayed: what went over one was allowed by the policy. A look-up was allowed as well.
  return kind === 'limited' || kind === 'look_up' ? 'allow' : kind
}
