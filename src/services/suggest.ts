/**
 * Reads what people decided about the calls of a server, and what follows from it for its policy. Each suggestion is tried on
 * everything that was decided before it is told: it must do what it says, and nothing else milder. Nothing is put in force.
 */
import type { Approval, Settled } from '../domain/approval.ts'
import { isEdited } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { JsonObject, JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import { isStricter } from '../domain/policy/rule.ts'
import { evaluate, type Policy, type Verdict } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Revision } from '../domain/revision.ts'
import { type ToolFacts, unknownTool } from '../domain/risk.ts'
import {
  type DecidedCall,
  type SuggestingTerms,
  type Suggestion,
  suggestionsFrom,
} from '../domain/suggestion.ts'
import { keptMeta } from '../domain/tool-call.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Revisions } from '../ports/revisions.ts'
import type { ReadPolicy, Rules } from '../ports/rules.ts'
import type { PolicyRefusal } from './policy-changes.ts'

/** The text with the suggestion in it; the error says why there is none. */
export type AmendPolicy = (
  source: string,
  text: string,
  suggestion: Suggestion,
  asking: (policy: Policy) => string | null,
) => Result<string, string>

export interface Suggested {
  /** What the suggestions are about: a text that is in force no more is not what a person should change. */
  readonly revision: number
  readonly source: string
  readonly text: string
  /** With every suggestion that can be written. */
  readonly amended: string
  readonly decisions: number
  /** Older ones, or more than are looked at, were left out. */
  readonly isMore: boolean
  readonly suggestions: readonly Suggestion[]
  /** Found, and not told as a change of the text, each with the reason. */
  readonly left: readonly { readonly suggestion: Suggestion; readonly why: string }[]
}

export type Suggest = (
  server: string,
  spanMs: number,
  terms: SuggestingTerms,
) => Promise<Result<Suggested, PolicyRefusal>>

/** Decisions beyond this many are older than what people decide today. */
const LOOKED_AT_MAX = 5_000
const PAGE = 200

export function createSuggest(deps: {
  ledger: Pick<Ledger, 'list' | 'nowMs'>
  revisions: Pick<Revisions, 'inForceOf'>
  rules: Pick<Rules, 'facts'>
  readPolicy: ReadPolicy
  amend: AmendPolicy
  servers: readonly string[]
}): Suggest {
  const { ledger, revisions, rules, readPolicy, amend, servers } = deps

  return async function suggest(server, spanMs, terms) {
    const inForce = await revisions.inForceOf(server)
    if (inForce === null || inForce.text === null) return err({ reason: 'no_such_server', servers })
    const policy = readPolicy(inForce.source, inForce.text)
    if (!policy.ok) return err({ reason: 'unreadable', problem: policy.error })
    const { calls, isMore } = await decidedCalls(server, (await ledger.nowMs()) - spanMs)
    const factsOf = (tool: string) => rules.facts?.(server, tool) ?? unknownTool
    const found = suggestionsFrom(calls, factsOf, terms)
    const written = writtenOnes(
      server,
      found,
      calls,
      { ...inForce, text: inForce.text },
      policy.value,
      factsOf,
    )
    const { number, source, text } = inForce
    return ok({ revision: number, source, text, decisions: calls.length, isMore, ...written })
  }

  function writtenOnes(
    server: string,
    found: readonly Suggestion[],
    calls: readonly DecidedCall[],
    { source, text }: Revision & { text: string },
    policy: Policy,
    factsOf: (tool: string) => ToolFacts,
  ): Pick<Suggested, 'suggestions' | 'left' | 'amended'> {
    const judgedOf = (call: DecidedCall) => judgedCall(server, call, factsOf(call.tool))
    const suggestions: Suggestion[] = []
    const left: { suggestion: Suggestion; why: string }[] = []
    let [now, nowText] = [policy, text]
    for (const suggestion of found) {
      const next = amend(source, nowText, suggestion, (each) => askingRule(each, suggestion, judgedOf))
      const read = next.ok ? readPolicy(source, next.value) : next
      const why =
        next.ok && read.ok
          ? flawOf(suggestion, calls, now, read.value, judgedOf)
          : read.ok
            ? null
            : read.error
      if (!next.ok || !read.ok || why !== null) {
        left.push({ suggestion, why: why ?? 'it cannot be written' })
        continue
      }
      suggestions.push(suggestion)
      now = read.value
      nowText = next.value
    }
    return { suggestions, left, amended: nowText }
  }

  async function decidedCalls(server: string, fromMs: number) {
    const calls: DecidedCall[] = []
    let after: ApprovalId | null = null
    let looked = 0
    while (looked < LOOKED_AT_MAX) {
      const page: readonly Approval[] = await ledger.list({
        ...{ statuses: ['settled'], principal: null, limit: PAGE, after },
      })
      looked += page.length
      for (const approval of page) {
        if (
          approval.status === 'settled' &&
          approval.asked.server === server &&
          approval.createdAtMs >= fromMs
        )
          calls.push(...decidedCall(approval))
      }
      const last = page.at(-1)
      if (page.length < PAGE || last === undefined || last.createdAtMs < fromMs)
        return { calls, isMore: false }
      after = last.id
    }
    return { calls, isMore: true }
  }
}

/** What an owner confirmed is no judgement of somebody else; what was edited is not what the agent asks for. */
function decidedCall(approval: Settled): readonly DecidedCall[] {
  const { id, asked, proposed, outcome } = approval
  if (!('decision' in outcome) || isEdited(approval)) return []
  const { kind, by, atMs, under } = outcome.decision
  // A grant is one decision, however often it was used.
  if (kind === 'confirm' || under !== null) return []
  const { tool, requester } = asked
  const { name: agent, owner } = requester
  const params: { name: string; arguments?: JsonValue; _meta?: JsonObject } = JSON.parse(
    proposed.canonicalParams,
  )
  const { name: _name, arguments: args = {}, _meta: meta = {}, ...answers } = params
  // Of an older record it may hold what has been no part of a call since.
  const saysMore = Object.keys({ ...keptMeta(meta), ...answers }).length > 0
  return [{ id, tool, agent, owner, arguments: args, saysMore, answer: kind, by, atMs }]
}

function judgedCall(server: string, call: DecidedCall, facts: ToolFacts): JudgedCall {
  const { tool, agent, owner, arguments: args, atMs: nowMs } = call
  return { server, tool, agent, owner, session: null, arguments: args, facts, nowMs }
}

/** The pointer of a rule that still asks about what the suggestion stands on. */
function askingRule(
  policy: Policy,
  { evidence }: Suggestion,
  judgedOf: (call: DecidedCall) => JudgedCall,
): string | null {
  for (const call of evidence) {
    const verdict = evaluate(policy, judgedOf(call))
    if (verdict.kind === 'require_approval') return verdict.rule.slice(policy.source.length + 1)
  }
  return null
}

/** It must answer what it stands on, make nothing else milder, take nothing out of a limit, and forbid nothing that people approved. */
function flawOf(
  suggestion: Suggestion,
  calls: readonly DecidedCall[],
  before: Policy,
  after: Policy,
  judgedOf: (call: DecidedCall) => JudgedCall,
): string | null {
  const own = new Set(suggestion.evidence.map(({ id }) => id))
  for (const call of calls) {
    const { id, answer } = call
    const judged = judgedOf(call)
    const [was, is] = [evaluate(before, judged), evaluate(after, judged)]
    const lost = lostLimit(was, is)
    if (lost !== null) return `the limit at ${lost} would no longer hold for ${id} as it does now`
    if (own.has(id)) {
      if (is.kind === suggestion.action) continue
      const by = is.kind === 'hide' ? 'the tool is hidden' : `${is.rule} says ${is.kind}`
      return `it would not take effect: ${by}`
    }
    if (was.kind === is.kind || was.kind === 'hide' || is.kind === 'hide') continue
    if (isStricter(was.kind, is.kind)) {
      const more = call.saysMore ? ': it carries `_meta` or answers, which no rule can ask about' : ''
      return `it would also let ${id} pass, which it does not stand on${more}`
    }
    if (is.kind === 'deny' && answer === 'approve') return `it would forbid ${id}, which was approved`
  }
  return null
}

/** The rule of a limit that a call is not counted under any more, or is less strictly; `null`: none. */
function lostLimit(was: Verdict, is: Verdict): string | null {
  if (!('reservations' in was) || !('reservations' in is)) return null
  const lost = was.reservations.find(
    ({ key, amount, max }) =>
      !is.reservations.some(
        (kept) => kept.key === key && kept.amount >= amount && (kept.max ?? Infinity) <= (max ?? Infinity),
      ),
  )
  return lost?.rule ?? null
}
