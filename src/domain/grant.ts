/**
 * A grant: with their yes to one call a person allows a few more that are like it, where the rule lets them. Each of those is
 * an approval of its own, and the grant stands in for the click, while nothing it was given for has changed.
 */
import type { Approval, Asked, Asking, Decision, InstantMs, Proposed } from './approval.ts'
import type { ApprovalId } from './approval-id.ts'
import { authorise, mayDecideFromMs } from './authority.ts'
import { digestOf, type JsonObject, type JsonValue } from './canonical.ts'
import { compare } from './policy/comparison.ts'
import { GRANT_DURATION_MS_MIN, type GrantTerms, type MayDiffer } from './policy/grant-terms.ts'
import { isList } from './policy/value-path.ts'
import type { Person, Principal } from './principal.ts'

/** What a person wants to allow besides the call that they say yes to. */
export interface GrantWish {
  /** Further calls. */
  readonly uses: number
  readonly durationMs: number
}

/** As it is kept with the decision that gave it. */
export interface GivenGrant {
  readonly uses: number
  readonly untilMs: InstantMs
  /** A person took it back, or the call it was given with was withdrawn. */
  readonly ended: { readonly by: string; readonly reason: string | null; readonly atMs: InstantMs } | null
}

export interface Grant {
  /** The approval that it was given with. */
  readonly id: ApprovalId
  readonly scope: string
  readonly server: string
  readonly tool: string
  readonly requester: Principal
  readonly by: string
  readonly reason: string | null
  readonly givenAtMs: InstantMs
  readonly untilMs: InstantMs
  readonly usesMax: number
  readonly used: number
  readonly ended: { readonly by: string; readonly atMs: InstantMs } | null
  /** The kill switch covered such calls since it was given, which ends it for good. */
  readonly isStopped: boolean
}

/** What of an approval says whether a grant covers it. */
export interface Grantable {
  readonly asked: Pick<Asked, 'server' | 'tool' | 'requester'>
  readonly proposed: Pick<Proposed, 'canonicalParams' | 'toolDefinitionDigest'>
  readonly asking: Pick<Asking, 'grants' | 'rule' | 'ruleDigest' | 'stages'>
}

/**
 * Two calls with the same scope differ at most in arguments that the rule lets free: the same agent of the same owner, tool,
 * definition, rule and all else that is sent. `null`: the rule allows no grants, or what may differ is no single value here.
 */
export function grantScope({ asked, proposed, asking }: Grantable): string | null {
  if (asking.grants === null || asking.stages.length > 0) return null
  const { mayDiffer } = asking.grants
  const params: JsonObject = JSON.parse(proposed.canonicalParams)
  const args = params.arguments ?? {}
  const kinds = mayDiffer.map((one) => kindOf(valueUnder(args, one.steps)))
  const isUseless = mayDiffer.some(
    ({ is }, at) => is.length > 0 && (kinds[at] === 'nothing' || kinds[at] === 'null'),
  )
  if (isUseless || kinds.includes('several values')) return null
  const fixed = mayDiffer.reduce<JsonValue>((rest, { steps }) => without(rest, steps), args)
  const { name, owner } = asked.requester
  return digestOf({
    v: 1,
    ...{ server: asked.server, tool: asked.tool, requester: { name, owner } },
    toolDefinition: proposed.toolDefinitionDigest,
    ...{ rule: asking.rule, ruleDigest: asking.ruleDigest },
    params: { ...params, arguments: fixed },
    // An argument that may differ is still there or not, and of the same kind.
    free: mayDiffer.map(({ path }, at) => [path, kinds[at] ?? 'nothing']),
  })
}

/** Whether the arguments that may differ are within their bounds. What cannot be compared is not. */
export function isWithinBounds({ proposed, asking }: Grantable): boolean {
  if (asking.grants === null) return false
  const params: JsonObject = JSON.parse(proposed.canonicalParams)
  const args = params.arguments ?? {}
  return asking.grants.mayDiffer.every(({ steps, is }) => {
    const value = valueUnder(args, steps)
    return is.every((bound) => compare(bound, value) === true)
  })
}

export type Kind = 'text' | 'number' | 'true or false' | 'null' | 'nothing' | 'several values'

export function kindOf(value: JsonValue | undefined): Kind {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'number'
  return typeof value === 'boolean' ? 'true or false' : 'several values'
}

const isMap = (value: JsonValue | undefined): value is JsonObject =>
  value !== null && typeof value === 'object' && !isList(value)

/** Unlike `valueAt` it tells null from nothing. */
export function valueUnder(value: JsonValue | undefined, steps: readonly string[]): JsonValue | undefined {
  const [step, ...below] = steps
  if (step === undefined) return value
  return isMap(value) && Object.hasOwn(value, step) ? valueUnder(value[step], below) : undefined
}

function without(value: JsonValue, [step, ...below]: readonly string[]): JsonValue {
  if (step === undefined || !isMap(value)) return value
  const entries = Object.entries(value).flatMap(([key, each]): [string, JsonValue][] => {
    if (key !== step) return [[key, each]]
    return below.length === 0 ? [] : [[key, without(each, below)]]
  })
  return Object.fromEntries(entries)
}

/** What may be allowed with a yes to this call; `null`: nothing but the call. */
export function grantOffer(approval: Approval): GrantTerms | null {
  return approval.status === 'pending' && grantScope(approval) !== null ? approval.asking.grants : null
}

/** By whoever decides for themselves and from the start: a confirmation is no approval, and an escalation stands in for one call. */
export function mayGrant(person: Person, approval: Approval, nowMs: InstantMs): boolean {
  const right = authorise(person, 'approve', approval, nowMs)
  return right.ok && right.value === 'approve' && mayDecideFromMs(person, approval) === approval.createdAtMs
}

export type GrantRefusal =
  | { readonly reason: 'no_grant' }
  | { readonly reason: 'grant_beyond'; readonly usesMax: number; readonly durationMsMax: number }

/** @returns why the wish cannot be granted; `null`: it can */
export function grantRefusal(approval: Approval, wish: GrantWish): GrantRefusal | null {
  const offer = grantOffer(approval)
  if (offer === null) return { reason: 'no_grant' }
  const { usesMax, durationMsMax } = offer
  const isRight =
    Number.isInteger(wish.uses) &&
    wish.uses >= 1 &&
    wish.uses <= usesMax &&
    wish.durationMs >= Math.min(GRANT_DURATION_MS_MIN, durationMsMax) &&
    wish.durationMs <= durationMsMax
  return isRight ? null : { reason: 'grant_beyond', usesMax, durationMsMax }
}

/** Why a grant does not cover anything any more; `null`: it does. */
export type GrantState = 'stands' | 'used_up' | 'over' | 'ended' | 'stopped'

export function grantState(grant: Grant, nowMs: InstantMs): GrantState {
  if (grant.ended !== null) return 'ended'
  if (grant.isStopped) return 'stopped'
  if (nowMs >= grant.untilMs) return 'over'
  return grant.used >= grant.usesMax ? 'used_up' : 'stands'
}

/** All of it that changes while the approval it was given with does not: a card that says something else is drawn anew. */
export const grantStanding = (grant: Grant, nowMs: InstantMs): string =>
  `${grant.used} ${grantState(grant, nowMs)}`

/** What a step of an approval means for grants. The ledger writes it in the same statement. */
export interface GrantEffects {
  readonly gives:
    | ({ readonly scope: string; readonly by: string; readonly reason: string | null } & Pick<
        GivenGrant,
        'uses' | 'untilMs'
      >)
    | null
  /** Counted; only while it stands. */
  readonly uses: { readonly grant: ApprovalId; readonly scope: string } | null
  /** The call is about to be sent under it; only while nobody has ended it. */
  readonly sendsUnder: ApprovalId | null
  /** It is certain that nothing was sent. */
  readonly givesBack: ApprovalId | null
  /** The grant that was given with this very approval. */
  readonly endsOwn: { readonly by: string } | null
}

export function grantEffects(previous: Approval, next: Approval): GrantEffects {
  const before = decisionIn(previous)
  const after = decisionIn(next)
  const isDecided = previous.status === 'pending' && next.status === 'approved'
  const scope = grantScope(next)
  const own = after?.gives ?? null
  const isWithdrawn = next.status === 'settled' && after === null && before !== null
  const isUnsent = next.status === 'settled' && !maySent.includes(next.outcome.kind)
  const under = after?.under ?? null
  return {
    gives:
      isDecided && own !== null && after !== null && scope !== null
        ? { scope, by: after.by, reason: after.reason, uses: own.uses, untilMs: own.untilMs }
        : null,
    uses: isDecided && under !== null ? { grant: under, scope: scope ?? '' } : null,
    sendsUnder: next.status === 'executing' && previous.status !== 'executing' ? under : null,
    givesBack: isUnsent && previous.status !== 'settled' ? (before?.under ?? null) : null,
    endsOwn: endOf(before, own, isWithdrawn),
  }
}

const maySent: readonly string[] = ['answered', 'indeterminate']

function endOf(before: Decision | null, own: GivenGrant | null, isWithdrawn: boolean): { by: string } | null {
  if (before === null || before.gives === null || before.gives.ended !== null) return null
  if (own !== null && own.ended !== null) return { by: own.ended.by }
  return isWithdrawn ? { by: 'its own call was withdrawn' } : null
}

/** `null`: nobody has decided, or what was decided was withdrawn. */
export function decisionIn(approval: Approval): Decision | null {
  if (approval.status === 'pending') return null
  if (approval.status !== 'settled') return approval.decision
  return 'decision' in approval.outcome ? approval.outcome.decision : null
}

/** The same state with another decision in it. */
export function withDecision(approval: Approval, decision: Decision): Approval {
  if (approval.status === 'approved' || approval.status === 'executing') return { ...approval, decision }
  if (approval.status !== 'settled' || !('decision' in approval.outcome)) return approval
  return { ...approval, outcome: { ...approval.outcome, decision } }
}

export type { GrantTerms, MayDiffer }
