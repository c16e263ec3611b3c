/**
 * The policy decision point: which verdict a tool call gets, and by which rule. Pure; a missing policy asks for every call.
 *
 * Deny is stricter than require_approval, which is stricter than allow. Of all rules that match, the strictest decides; where
 * none matches, the default. A rule of which nobody can know whether it matches is taken in the stricter way: the verdict is
 * the strictest of all that could be true. The order of rules never matters.
 */
import { digestOf } from './canonical.ts'
import { leavesOpen, truthOf } from './policy/condition.ts'
import { glob, matchesGlob } from './policy/glob.ts'
import { grantTermsValue, strictestGrants } from './policy/grant-terms.ts'
import type { JudgedCall } from './policy/judged-call.ts'
import {
  type Action,
  type ApprovalTerms,
  type EscalationStep,
  isStricter,
  type OnClientGone,
  type Rule,
  type Stage,
  usualTerms,
} from './policy/rule.ts'
import { countedFor, historyFor, rulesFor } from './policy/rule-index.ts'
import { amountOf, type Limit, type Reservation, tallyKey, type Window } from './policy/tally.ts'
import type { Truth } from './policy/truth.ts'
import { yesesWanted } from './quorum.ts'
import { type Risk, risks } from './risk.ts'

/** The languages a policy can be written in. All of them end in this one model. */
export type Spelling = 'holdpoint' | 'hosted' | 'per-tool' | 'intercept'

/** One server's policy, whatever spelling its document had. */
export interface Policy {
  /** File name as people know it, or `built-in`. */
  readonly source: string
  readonly spelling: Spelling
  /** What happens to calls that no rule matches. */
  readonly fallback: Fallback
  /** What is enforced. */
  readonly rules: readonly Rule[]
  /** What is only tried: these rules say what they would have done, and decide nothing. */
  readonly shadow: readonly Rule[]
  /** Names and patterns that vanish from `tools/list`; `'*'` hides all. */
  readonly hidden: ReadonlySet<string>
}

export interface Fallback {
  readonly action: 'allow' | 'deny' | 'require_approval'
  readonly pointer: string
  readonly reason: string | null
}

/** Who may decide about a call. Part of the digest that is approved. */
export interface ApproverChain {
  readonly groups: readonly string[]
  readonly people: readonly string[]
  /** Where true, the requester's owner may *confirm*: a weaker decision that is never called an approval. */
  readonly selfConfirm: boolean
}

export type Verdict =
  | { readonly kind: 'hide' }
  | { readonly kind: 'allow'; readonly rule: string; readonly reservations: readonly Reservation[] }
  | { readonly kind: 'deny'; readonly rule: string; readonly reason: string | null }
  | {
      readonly kind: 'require_approval'
      readonly rule: string
      readonly reason: string | null
      readonly risk: Risk
      readonly terms: ApprovalTerms
      readonly reservations: readonly Reservation[]
    }

/** What an empty policy means: a person is asked about every call. Where there is none, new calls are refused before this. */
export const askForEverything: Policy = {
  source: 'built-in',
  spelling: 'holdpoint',
  fallback: { action: 'require_approval', pointer: '/default', reason: 'this server has no policy yet' },
  rules: [],
  shadow: [],
  hidden: new Set(),
}

export function isHidden({ hidden }: Policy, tool: string): boolean {
  if (hidden.size === 0) return false
  if (hidden.has(tool)) return true
  for (const name of hidden) if (name.includes('*') && matchesGlob(glob(name), tool)) return true
  return false
}

/** What the counters have to be asked before a call can be judged: nothing, for nearly every policy. */
export function talliesToRead(
  { rules, shadow }: Policy,
  call: JudgedCall,
): readonly { readonly key: string; readonly window: Window }[] {
  return [...historyFor(rules, call.tool), ...historyFor(shadow, call.tool)].map(({ tally }) => ({
    key: tallyKey(tally, call),
    window: tally.window,
  }))
}

/** Whether people can be asked about calls of this tool. */
export function mayAsk({ fallback, rules, shadow }: Policy, tool: string): boolean {
  const about = rulesFor(rules, tool)
  // A rule that is only tried asks about tools that nobody has classified.
  if ([...about, ...rulesFor(shadow, tool)].some(({ action }) => action === 'require_approval')) return true
  return fallback.action === 'require_approval' && !about.some(isForEveryCall)
}

/** Whether people can be asked about any call at all. */
export function asksAnything({ fallback, rules, shadow }: Policy): boolean {
  return [fallback, ...rules, ...shadow].some(({ action }) => action === 'require_approval')
}

const isForEveryCall = ({ action, when, categories, risks: only }: Rule) =>
  action !== null && when === null && categories === null && only === null

/**
 * Names match byte for byte. Hiding wins over every rule. Rules that are only tried change nothing, with one exception: a tool
 * that nobody has classified gets the stricter of the two answers, so that trying a rule never opens what nobody knows.
 */
export function evaluate(policy: Policy, call: JudgedCall): Verdict {
  const enforced = evaluateRules(policy, call)
  const tried = call.facts.category === null ? asIf(policy, call) : null
  return tried === null || strictnessOf[tried.kind] <= strictnessOf[enforced.kind] ? enforced : tried
}

const strictnessOf: Readonly<Record<Verdict['kind'], number>> = {
  allow: 0,
  require_approval: 1,
  deny: 2,
  hide: 3,
}

/** What the verdict would be if the rules that are only tried were enforced; `null`: there are none. */
export function asIf(policy: Policy, call: JudgedCall): Verdict | null {
  return policy.shadow.length === 0 ? null : evaluateRules(withShadow(policy), call)
}

const unshadowed = new WeakMap<Policy, Policy>()

/** Every rule in force; made once for each policy. */
export function withShadow(policy: Policy): Policy {
  const known = unshadowed.get(policy)
  if (known !== undefined) return known
  const whole = { ...policy, rules: [...policy.rules, ...policy.shadow], shadow: [] }
  unshadowed.set(policy, whole)
  return whole
}

function evaluateRules(policy: Policy, call: JudgedCall): Verdict {
  if (isHidden(policy, call.tool)) return { kind: 'hide' }
  const about = rulesFor(policy.rules, call.tool)
  const levels = levelsOf(about, call)
  const possible: { readonly rule: Rule; readonly isSure: boolean }[] = []
  for (const rule of about) {
    const truth = atLevels(rule, levels, call, matches)
    if (truth !== false) possible.push({ rule, isSure: truth === true })
  }
  const acting: Candidate[] = possible.flatMap(({ rule }) => candidateOf(rule, levels, call))
  const isCovered = possible.some(({ rule, isSure }) => isSure && rule.action !== null)
  if (!isCovered) acting.push({ ...policy.fallback, risk: 'critical', terms: usualTerms })

  const winner = acting.reduce(stricter)
  const nameOf = (pointer: string) => `${policy.source}#${pointer}`
  const rule = nameOf(winner.pointer)
  if (winner.action === 'deny') return { kind: 'deny', rule, reason: winner.reason }

  const counted = [...countedFor(policy.rules, call.tool), ...countedFor(policy.shadow, call.tool)]
  const limits = [...possible.flatMap((each) => each.rule.limits), ...counted]
  const reservations: Reservation[] = []
  for (const limit of limits) {
    const amount = amountOf(limit.tally, call.arguments)
    if (amount === null && call.onlyNames !== undefined) continue
    if (amount === null) return { kind: 'deny', rule: nameOf(limit.pointer), reason: uncountable(limit) }
    const wanted = reservationOf(policy, limit, amount, call)
    const same = reservations.findIndex((each) => each.key === wanted.key)
    const earlier = reservations[same]
    // Limits that share a count count a call once.
    if (earlier === undefined) reservations.push(wanted)
    else reservations[same] = narrower(earlier, wanted)
  }
  if (winner.action === 'allow') return { kind: 'allow', rule, reservations }
  const asking = acting.filter(({ action }) => action === 'require_approval')
  const { reason, pointer } = winner
  // The default names no tool: what it asks about is critical.
  const risk = pointer === policy.fallback.pointer ? winner.risk : worstOf(levels)
  return { kind: 'require_approval', rule, reason, risk, terms: strictestTerms(winner, asking), reservations }
}

/** A limit that counts a call. `isSure`: not only perhaps, because it is open whether its rule matches. */
export interface LimitOn {
  readonly reservation: Reservation
  readonly isSure: boolean
}

/**
 * Every limit on a call of the past, whatever becomes of it.
 * `isUnmeasured`: some limit counts an amount that was not kept, and is left out.
 */
export function limitsOn(
  policy: Policy,
  call: JudgedCall,
): { readonly limits: readonly LimitOn[]; readonly isUnmeasured: boolean } {
  const rules = rulesFor(policy.rules, call.tool)
  const levels = levelsOf(rules, call)
  const matching = rules.flatMap((rule) => {
    const truth = rule.limits.length === 0 ? false : atLevels(rule, levels, call, matches)
    return truth === false ? [] : rule.limits.map((limit) => ({ limit, isSure: truth === true }))
  })
  const counted = [...countedFor(policy.rules, call.tool), ...countedFor(policy.shadow, call.tool)]
  const byKey = new Map<string, LimitOn>()
  let isUnmeasured = false
  for (const { limit, isSure } of [...matching, ...counted.map((each) => ({ limit: each, isSure: true }))]) {
    const amount = amountOf(limit.tally, call.arguments)
    if (amount === null) {
      isUnmeasured ||= call.onlyNames !== undefined
      continue
    }
    const reservation = reservationOf(policy, limit, amount, call)
    const earlier = byKey.get(reservation.key)
    byKey.set(reservation.key, {
      reservation: earlier === undefined ? reservation : narrower(earlier.reservation, reservation),
      isSure: isSure || earlier?.isSure === true,
    })
  }
  return { limits: [...byKey.values()], isUnmeasured }
}

function reservationOf(
  { source }: Policy,
  { tally, max, reason, pointer }: Limit,
  amount: number,
  call: JudgedCall,
): Reservation {
  const rule = `${source}#${pointer}`
  return { key: tallyKey(tally, call), window: tally.window, amount, max, rule, reason }
}

/**
 * The mildest answer that could be true, where a call of the past leaves open whether conditions held; `evaluate` gives the
 * strictest. What nobody could know at the time either (a missing argument, a category) is taken in the stricter way by both.
 */
export function mildestAnswer(policy: Policy, call: JudgedCall): Action {
  const enforced = mildestOf(policy, call)
  if (policy.shadow.length === 0 || call.facts.category !== null) return enforced
  return strictestOf([enforced, mildestOf(withShadow(policy), call)])
}

function mildestOf(policy: Policy, call: JudgedCall): Action {
  if (isHidden(policy, call.tool)) return 'deny'
  const certain: Action[] = []
  const open: Action[] = []
  let isCovered = false
  const rules = rulesFor(policy.rules, call.tool)
  const levels = levelsOf(rules, call)
  for (const rule of rules) {
    const { action, when } = rule
    const isAbout = atLevels(rule, levels, call, concerns)
    const holds = atLevels(rule, levels, call, (_, at) => when === null || truthOf(when, at))
    if (action === null || isAbout === false || holds === false) continue
    // By another level than this one it may be about other calls.
    const isOther = levels.length > 1 && rule.treatAs === null && (isAbout === null || holds === null)
    const isOpen = isOther || (holds === null && when !== null && leavesOpen(when, call))
    if (!isOpen) certain.push(action)
    else if (isOther || isAbout === true) open.push(action)
    if (holds === true && isAbout === true) isCovered = true
  }
  const others = isCovered ? [] : [policy.fallback.action, ...open]
  const possible = isCovered
    ? [strictestOf(certain)]
    : others.map((action) => strictestOf([...certain, action]))
  return possible.reduce((a, b) => (isStricter(a, b) ? b : a))
}

const strictestOf = (actions: readonly Action[]): Action =>
  actions.reduce((a, b) => (isStricter(a, b) ? a : b), 'allow')

function matches(rule: Rule, call: JudgedCall): Truth {
  const isAbout = concerns(rule, call)
  if (isAbout === false || rule.when === null) return isAbout
  const holds = truthOf(rule.when, call)
  return holds === false ? false : isAbout && holds
}

/**
 * How bad a call may be said to be: the highest `treat_as` of the rules that match it, or what is known about the tool where none
 * does. Several where that cannot be known. A rule with `treat_as` goes by what is known, all others by what it says.
 */
function levelsOf(rules: readonly Rule[], call: JudgedCall): readonly Risk[] {
  if (rules.every(({ treatAs }) => treatAs === null)) return [call.facts.risk]
  const said = rules.flatMap((rule) => {
    const truth = rule.treatAs === null ? false : matches(rule, call)
    return rule.treatAs === null || truth === false ? [] : [{ level: rule.treatAs, isSure: truth === true }]
  })
  if (said.length === 0) return [call.facts.risk]
  const sure = said.filter(({ isSure }) => isSure).map(({ level }) => level)
  const perhaps = said.filter(({ isSure }) => !isSure).map(({ level }) => level)
  if (sure.length === 0) return [...new Set([call.facts.risk, ...perhaps])]
  const least = worstOf(sure)
  return [...new Set([least, ...perhaps.filter((level) => risks.indexOf(level) > risks.indexOf(least))])]
}

const worstOf = (levels: readonly Risk[]): Risk =>
  levels.reduce((a, b) => (risks.indexOf(a) >= risks.indexOf(b) ? a : b))

/** The same at each of these levels, or unknown. */
function atLevels(
  rule: Rule,
  levels: readonly Risk[],
  call: JudgedCall,
  truth: (rule: Rule, call: JudgedCall) => Truth,
): Truth {
  if (rule.treatAs !== null) return truth(rule, at(call.facts.risk, call))
  const [first = call.facts.risk, ...others] = levels
  const answer = truth(rule, at(first, call))
  return others.every((level) => truth(rule, at(level, call)) === answer) ? answer : null
}

const at = (risk: Risk, call: JudgedCall): JudgedCall =>
  risk === call.facts.risk ? call : { ...call, facts: { ...call.facts, risk } }

/** By what is known about the tool. */
function concerns({ categories, risks: levels }: Rule, { facts: { category, risk } }: JudgedCall): Truth {
  if (levels !== null && !levels.includes(risk)) return false
  return categories === null || (category === null ? null : categories.includes(category))
}

interface Candidate extends Fallback {
  readonly risk: Risk
  readonly terms: ApprovalTerms
}

/** A rule that says nothing about the level goes along where another lowers it, and stays behind where another raises it. */
function candidateOf(
  { action, pointer, reason, treatAs, terms }: Rule,
  levels: readonly Risk[],
  { facts }: JudgedCall,
): Candidate[] {
  if (action === null) return []
  const said = worstOf(levels)
  const usual = risks.indexOf(said) < risks.indexOf(facts.risk) ? said : facts.risk
  return [{ action, pointer, reason, risk: treatAs ?? usual, terms }]
}

/**
 * The stricter of two; between equals the higher risk, then who wants more yeses, then who wants them in more stages, and then
 * what the rules say: where in the policy they stand comes last, and only names one of two that say the same.
 */
function stricter(a: Candidate, b: Candidate): Candidate {
  if (a.action !== b.action) return isStricter(a.action, b.action) ? a : b
  if (a.risk !== b.risk) return risks.indexOf(a.risk) > risks.indexOf(b.risk) ? a : b
  const [yeses, stages] = [yesesOf(a.terms) - yesesOf(b.terms), stageCount(a.terms) - stageCount(b.terms)]
  if (yeses !== 0) return yeses > 0 ? a : b
  if (stages !== 0) return stages > 0 ? a : b
  return sortText(a) <= sortText(b) ? a : b
}

/** How many people have to say yes by these terms alone. */
export const yesesOf = ({ quorum, stages }: ApprovalTerms) => quorum ?? yesesWanted(stages ?? [])
const stageCount = ({ stages }: ApprovalTerms) => stages?.length ?? 1

const sortText = ({ terms, reason, pointer }: Candidate) =>
  JSON.stringify([
    terms.approvers === null,
    terms.approvers,
    terms.escalation,
    reason === null,
    reason,
    terms.stages,
    terms.lookups,
    pointer,
  ])

/** Whoever wins names the approvers, now and later; what several rules say about how to decide is taken in the stricter way. */
export function strictestTerms(
  { terms }: { readonly terms: ApprovalTerms },
  asking: readonly { readonly terms: ApprovalTerms }[],
): ApprovalTerms {
  const timeouts = asking.flatMap(({ terms: { timeoutMs } }) => (timeoutMs === null ? [] : [timeoutMs]))
  const said = asking.map((each) => each.terms.selfConfirm)
  const isAllowed = said.every((each) => each === true) ? true : null
  const moments = asking.flatMap((each) => each.terms.remindersMs ?? [])
  // As many as the strictest rule wants; what the winner's own stages lack is asked of its last one.
  const wanted = Math.max(1, ...asking.map((each) => yesesOf(each.terms)))
  return {
    approvers: terms.approvers,
    stages: terms.stages,
    quorum: wanted === 1 ? null : wanted,
    selfConfirm: said.includes(false) ? false : isAllowed,
    timeoutMs: timeouts.length === 0 ? null : Math.min(...timeouts),
    onClientGone: strictestWay(asking.map((each) => each.terms.onClientGone)),
    reasonRequired: asking.some((each) => each.terms.reasonRequired === true) ? true : null,
    remindersMs: moments.length === 0 ? null : [...new Set(moments)].sort((a, b) => a - b),
    escalation: terms.escalation,
    lookups: terms.lookups,
    // Of several people nobody can allow anything for the others.
    grants: wanted === 1 ? strictestGrants(asking.map((each) => each.terms.grants)) : null,
  }
}

/** Ending it is the strictest; running it alone has to be said by every rule that asks. */
function strictestWay(said: readonly (OnClientGone | null)[]): OnClientGone | null {
  if (said.includes('cancel')) return 'cancel'
  if (said.includes('wait')) return 'wait'
  return said.every((each) => each === 'execute') ? 'execute' : null
}

function narrower(a: Reservation, b: Reservation): Reservation {
  const tighter = (a.max ?? Infinity) <= (b.max ?? Infinity) ? a : b
  return { ...tighter, amount: Math.max(a.amount, b.amount) }
}

function uncountable({ tally: { amount } }: Limit): string {
  const where = typeof amount === 'number' ? 'the call' : `"${amount.source}"`
  return `${where} must be a number that can be counted: not negative, and at most 1,000,000,000,000,000`
}

/** Whom a rule asks, where it does not name them: the usual ones of the server. A confirmation is none of several yeses. */
export function chainOf(terms: ApprovalTerms, usual: ApproverChain): ApproverChain {
  const chain = { ...usual, ...terms.approvers, selfConfirm: terms.selfConfirm ?? usual.selfConfirm }
  return stagesOf(terms, chain).length === 0 ? chain : { ...chain, selfConfirm: false }
}

/** Empty where one yes decides, so that digests and records of before there were stages stay right. */
export function stagesOf(
  { stages, quorum }: Pick<ApprovalTerms, 'stages' | 'quorum'>,
  { groups, people }: ApproverChain,
): readonly Stage[] {
  const written = stages ?? [{ groups, people, quorum: 1 }]
  const missing = Math.max(0, (quorum ?? 1) - yesesWanted(written))
  const last = written.length - 1
  const found = written.map((stage, at) =>
    at === last && missing > 0 ? { ...stage, quorum: stage.quorum + missing } : stage,
  )
  return yesesWanted(found) === 1 ? [] : found
}

const digestOfStages = (stages: readonly Stage[]) =>
  stages.length === 0
    ? {}
    : {
        stages: stages.map(({ groups, people, quorum }) => ({
          groups: [...groups].sort(),
          people: [...people].sort(),
          quorum,
        })),
      }

const digestOfWay = (way: OnClientGone | null) =>
  way === null || way === 'wait' ? {} : { onClientGone: way }

/** The rule in force and its approvers, now and later, as one digest: an approval given under another rule is not an approval. */
export function effectiveRuleDigest(
  verdict: Pick<Extract<Verdict, { kind: 'require_approval' }>, 'reason' | 'risk' | 'terms'>,
  approvers: ApproverChain,
): string {
  const escalation = verdict.terms.escalation ?? []
  return digestOf({
    v: 1,
    action: 'require_approval',
    reason: verdict.reason,
    risk: verdict.risk,
    // Left out where it is usual, so that digests of before there was a choice stay right.
    ...digestOfWay(verdict.terms.onClientGone),
    ...digestOfStages(stagesOf(verdict.terms, approvers)),
    ...(verdict.terms.reasonRequired === true ? { reasonRequired: true } : {}),
    ...(escalation.length === 0 ? {} : { escalation: escalation.map(sortedStep) }),
    ...(verdict.terms.grants === null ? {} : { grants: grantTermsValue(verdict.terms.grants) }),
    approvers: {
      groups: [...approvers.groups].sort(),
      people: [...approvers.people].sort(),
      selfConfirm: approvers.selfConfirm,
    },
  })
}

const sortedStep = ({ afterMs, groups, people }: EscalationStep) => ({
  afterMs,
  groups: [...groups].sort(),
  people: [...people].sort(),
})
