/** Judges a call by the policy in force: the one place where a verdict is made, for new calls and again before a claim. */
import type { JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import { type OnClientGone, usualTerms } from '../domain/policy/rule.ts'
import type { Reservation } from '../domain/policy/tally.ts'
import { type ApproverChain, asIf, chainOf, evaluate, talliesToRead, type Verdict } from '../domain/policy.ts'
import type { Principal } from '../domain/principal.ts'
import { unknownTool } from '../domain/risk.ts'
import type { Counters } from '../ports/counters.ts'
import type { Log } from '../ports/log.ts'
import type { Rules, ServerRules } from '../ports/rules.ts'
import type { NowInForce, RulesInForce } from './rules-in-force.ts'

export interface ToJudge {
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  /** The `arguments` of the call; `{}` where it has none. */
  readonly arguments: JsonValue
  /** Of the protocol, where it has one. */
  readonly session: string | null
  readonly nowMs: number
  /** What has been counted for this very call already, which is no past of it. */
  readonly counted?: readonly Reservation[]
}

export interface Judged {
  readonly verdict: Verdict
  /** Of the rule that asks, where it names them; else of the server. */
  readonly approvers: ApproverChain
  /** The number of the policy revision that said so. */
  readonly revision: number
  /** Whether anything about its past was asked for, which other calls may change meanwhile. */
  readonly hasPast: boolean
  /** What it would be if the rules that are only tried were enforced; `null`: the same, by the same rule. */
  readonly asIf: Verdict | null
}

/** `null`: no such server. */
export type Judge = (call: ToJudge) => Promise<Judged | null>

interface Known {
  readonly counters: Counters
  /** What an operator wants for this agent where its requester is gone and no rule says anything; the same everywhere. */
  onClientGoneOf(agent: string): OnClientGone | null
  readonly log: Log
}

export function createJudge(deps: Known & { rules: Rules }): Judge {
  const { rules } = deps
  return async function judge(call) {
    const serverRules = rules.of(call.server)
    return serverRules === null ? null : judgedBy(serverRules, call, deps)
  }
}

export type JudgedNow =
  | { readonly kind: 'judged'; readonly judged: Judged }
  | Exclude<NowInForce, { kind: 'rules' }>

/** By what the ledger says is in force at this moment, not by what this process remembers. */
export type JudgeNow = (call: ToJudge) => Promise<JudgedNow>

export function createJudgeNow(
  deps: Known & { rules: Pick<RulesInForce, 'now' | 'facts' | 'quarantineOf'> },
): JudgeNow {
  const { rules } = deps
  return async function judgeNow(call) {
    const now = await rules.now(call.server)
    return now.kind === 'rules' ? { kind: 'judged', judged: await judgedBy(now.rules, call, deps) } : now
  }
}

/** By rules that need not be in force, to see what they would do. */
export const createJudgeBy =
  (deps: Known & { rules: Pick<Rules, 'facts'> }) =>
  (rules: ServerRules, call: ToJudge): Promise<Judged> =>
    judgedBy(rules, call, deps)

async function judgedBy(
  { policy, approvers, revision }: ServerRules,
  { server, tool, principal, arguments: args, session, nowMs, counted = [] }: ToJudge,
  deps: Known & { rules: Pick<Rules, 'facts' | 'quarantineOf'> },
): Promise<Judged> {
  const call: JudgedCall = {
    server,
    tool,
    arguments: args,
    agent: principal.name,
    owner: principal.owner,
    session,
    facts: deps.rules.facts?.(server, tool) ?? unknownTool,
    nowMs,
  }
  const wanted = talliesToRead(policy, call)
  const whole = await withHistory(wanted, counted, call, deps)
  const verdict = quarantined(evaluate(policy, whole), call, deps.rules)
  const tried = asIf(policy, whole)
  return {
    verdict: forAgent(verdict, principal, deps),
    approvers: chainOfVerdict(verdict, approvers),
    revision,
    hasPast: wanted.length > 0,
    asIf: tried === null ? null : otherThan(verdict, quarantined(tried, call, deps.rules)),
  }
}

const otherThan = (enforced: Verdict, tried: Verdict): Verdict | null =>
  tried.kind === enforced.kind && ruleOf(tried) === ruleOf(enforced) ? null : tried

/** `null`: hidden tools have none. */
export const ruleOf = (verdict: Verdict): string | null => (verdict.kind === 'hide' ? null : verdict.rule)

/** A rule goes before what is said of the agent. */
function forAgent(verdict: Verdict, { name }: Principal, { onClientGoneOf }: Known): Verdict {
  if (verdict.kind !== 'require_approval' || verdict.terms.onClientGone !== null) return verdict
  return { ...verdict, terms: { ...verdict.terms, onClientGone: onClientGoneOf(name) } }
}

/** How the rule is called that asks about tools whose definition nobody has accepted. */
export const PINNED_TOOLS = 'pinned tools'

/** A tool that is not what somebody accepted is asked about where the policy lets it pass: it let something else pass. */
function quarantined(
  verdict: Verdict,
  { server, tool }: JudgedCall,
  rules: Pick<Rules, 'quarantineOf'>,
): Verdict {
  if (verdict.kind !== 'allow') return verdict
  const reason = rules.quarantineOf?.(server, tool) ?? null
  if (reason === null) return verdict
  const { reservations } = verdict
  const rule = `${PINNED_TOOLS}#/${server}/${tool}`
  return { kind: 'require_approval', rule, reason, risk: 'critical', terms: usualTerms, reservations }
}

/** Nearly every policy asks nothing about the past, and then no counter is asked either. */
async function withHistory(
  wanted: ReturnType<typeof talliesToRead>,
  counted: readonly Reservation[],
  call: JudgedCall,
  { counters, log }: Known,
): Promise<JudgedCall> {
  if (wanted.length === 0) return call
  try {
    const tallies = new Map(await counters.read(wanted))
    for (const { key, amount } of counted) tallies.set(key, (tallies.get(key) ?? 0) - amount)
    return { ...call, tallies }
  } catch (error) {
    // What is not known is taken in the stricter way.
    log.error({ err: error, server: call.server, tool: call.tool }, 'the past of a call could not be read')
    return call
  }
}

/** Whom a verdict asks. */
export const chainOfVerdict = (verdict: Verdict, usual: ApproverChain): ApproverChain =>
  verdict.kind === 'require_approval' ? chainOf(verdict.terms, usual) : usual
