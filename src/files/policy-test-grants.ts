/**
 * What a table test expects of grants: whether approvers may allow more with a yes to this call, how much, which later calls that
 * would let pass unasked, and which not.
 */
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import { type GrantTerms, grantScope, isWithinBounds } from '../domain/grant.ts'
import { askingOf } from '../domain/judgement.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import type { Verdict } from '../domain/policy.ts'
import { canonicalParams } from '../domain/tool-call.ts'
import { durationMs, durationShape } from './duration.ts'
import { says } from './shape.ts'

const laterShape = z
  .array(z.record(z.string(), z.unknown()))
  .min(1, says('no call stands here', 'write the arguments of a later call, as { amount: 20 }'))

export const grantsShape = z
  .union(
    [
      z.literal('none'),
      z.strictObject({
        max_uses: z.int().min(1).optional(),
        max_duration: durationShape.optional(),
        covers: laterShape
          .optional()
          .describe('Arguments of later calls that a grant given with this call lets pass unasked.'),
        asks: laterShape.optional().describe('Arguments of later calls that people are asked about anyway.'),
      }),
    ],
    {
      error: says(
        'this does not say what may be granted',
        'write none, or { max_uses: 10, max_duration: 1h, covers: [{ … }], asks: [{ … }] }',
      ),
    },
  )
  .describe('What approvers may allow with a yes to this call.')

export interface Judged {
  readonly call: JudgedCall
  readonly verdict: Verdict
}

/** What was expected and what came, in words; where both are empty, all of it holds. */
export interface GrantMismatch {
  readonly expected: readonly string[]
  readonly got: readonly string[]
}

/**
 * @param judgeLater the same call with other arguments
 * @param later the arguments as they stand in the file
 */
export function grantMismatch(
  wanted: z.output<typeof grantsShape>,
  first: Judged,
  judgeLater: (args: JsonValue) => Judged,
  later: { readonly covers: readonly JsonValue[]; readonly asks: readonly JsonValue[] },
): GrantMismatch {
  const found = termsOf(first)
  const foundText = found === null ? 'grants none' : `grants ${found.usesMax} for ${shortSpan(found)}`
  if (wanted === 'none') {
    return found === null ? nothing : { expected: ['grants none'], got: [foundText] }
  }
  const { max_uses: uses, max_duration: duration } = wanted
  const isAsMuch =
    found !== null &&
    (uses === undefined || uses === found.usesMax) &&
    (duration === undefined || durationMs(duration) === found.durationMsMax)
  const wantedText = `grants ${uses ?? 'some'}${duration === undefined ? '' : ` for ${duration}`}`
  const amount = isAsMuch ? nothing : { expected: [wantedText], got: [foundText] }
  if (found === null) return amount
  const each = (args: JsonValue, isWanted: boolean): GrantMismatch => {
    const why = whyAsked(first, judgeLater(args))
    if ((why === null) === isWanted) return nothing
    const text = JSON.stringify(args)
    return isWanted
      ? { expected: [`covers ${text}`], got: [`asks, since ${why}`] }
      : { expected: [`asks about ${text}`], got: ['it is covered'] }
  }
  return joined([
    amount,
    ...later.covers.map((args) => each(args, true)),
    ...later.asks.map((args) => each(args, false)),
  ])
}

const nothing: GrantMismatch = { expected: [], got: [] }

const joined = (all: readonly GrantMismatch[]): GrantMismatch => ({
  expected: all.flatMap(({ expected }) => expected),
  got: all.flatMap(({ got }) => got),
})

/** Whoever approves stands in the configuration, and is the same for both calls. */
const nobody = { groups: [], people: [], selfConfirm: false }

/** As the ledger would have it. The definition of the tool is one and the same here. */
function grantable({ call, verdict }: Judged) {
  if (verdict.kind !== 'require_approval') return null
  const args = call.arguments
  if (args === null || typeof args !== 'object' || !isObject(args)) return null
  return {
    asked: {
      server: call.server,
      tool: call.tool,
      requester: { name: call.agent, owner: call.owner },
    },
    proposed: { canonicalParams: canonicalParams(call.tool, args, {}), toolDefinitionDigest: '' },
    asking: askingOf(verdict, nobody),
  }
}

const isObject = (value: object): value is { readonly [key: string]: JsonValue } => !Array.isArray(value)

function termsOf(judged: Judged): GrantTerms | null {
  const one = grantable(judged)
  return one === null || grantScope(one) === null ? null : one.asking.grants
}

/** `null`: it passes under a grant that was given with the first call. */
function whyAsked(first: Judged, later: Judged): string | null {
  if (later.verdict.kind !== 'require_approval') return `its own verdict is ${later.verdict.kind}`
  const [before, after] = [grantable(first), grantable(later)]
  if (before === null || after === null) return 'its arguments are no object'
  if (before.asking.ruleDigest !== after.asking.ruleDigest || before.asking.rule !== after.asking.rule)
    return 'another rule asks about it'
  const scope = grantScope(before)
  if (scope === null || grantScope(after) !== scope) return 'it differs where the rule does not let it'
  return isWithinBounds(after) ? null : 'it is out of the bounds of the rule'
}

/** As people write it in a policy. */
function shortSpan({ durationMsMax: ms }: GrantTerms): string {
  const units = [
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ] as const
  const [size, unit] = units.find(([each]) => ms % each === 0) ?? [1, 'ms']
  return `${ms / size}${unit}`
}
