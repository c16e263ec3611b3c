/** What a grant allows, in the same words on every surface: what a person reads is all that they give. */
import type { JsonObject } from './canonical.ts'
import {
  type Grant,
  type Grantable,
  type GrantState,
  type GrantTerms,
  kindOf,
  type MayDiffer,
  valueUnder,
} from './grant.ts'
import type { Bound } from './policy/grant-terms.ts'
import { spanText } from './present.ts'
import { visible } from './visible.ts'

/** What of a call says what a grant of it would cover. */
interface Told {
  readonly asked: Pick<Grantable['asked'], 'tool' | 'requester'>
  readonly proposed: Pick<Grantable['proposed'], 'canonicalParams'>
  readonly asking: Pick<Grantable['asking'], 'grants'>
}

/**
 * `also the next 9 calls of create_refund by night-agent with exactly these arguments, except amount (a number, at least 0, at
 * most 50), until 15:00 UTC`
 * @param uses `null`: how many is still to be said
 * @param until an instant or a span in the words of the surface
 */
export function grantText(call: Told, uses: number | null, until: string): string {
  const { tool, requester } = call.asked
  const many = uses === null ? 'the next calls' : `the next ${uses} calls`
  const calls = uses === 1 ? 'the next call' : many
  const except = exceptText(call)
  return `also ${calls} of ${visible(tool)} by ${visible(requester.name)} with exactly these arguments${except}, ${until}`
}

/** `, except amount (a number, at most 50)`. Empty: everything has to be the same. */
function exceptText({ proposed, asking }: Told): string {
  const params: JsonObject = JSON.parse(proposed.canonicalParams)
  const free = (asking.grants?.mayDiffer ?? []).flatMap((one): string[] => {
    const kind = kindOf(valueUnder(params.arguments, one.steps))
    // Where it is not there, it must not be there either.
    if (kind === 'nothing' || kind === 'null') return []
    return [`${nameOf(one)} (${[`any ${kind}`, ...one.is.map(boundText)].join(', ')})`]
  })
  return free.length === 0 ? '' : `, except ${free.join(' and ')}`
}

const nameOf = ({ path }: MayDiffer) => visible(path.replace(/^args\.?/, ''))

const scalarText = (value: string | number | boolean) => visible(JSON.stringify(value))
const numberWords = { lt: 'less than', lte: 'at most', gt: 'more than', gte: 'at least' } as const

function boundText(bound: Bound): string {
  switch (bound.op) {
    case 'in':
      return `one of ${bound.values.map(scalarText).join(' ')}`
    case 'starts_with':
      return `beginning with ${scalarText(bound.value)}`
    case 'ends_with':
      return `ending with ${scalarText(bound.value)}`
    case 'length':
      return bound.is.map(({ op, value }) => `${numberWords[op]} ${value} characters`).join(', ')
    default:
      return `${numberWords[bound.op]} ${bound.value}`
  }
}

const MINUTE_MS = 60_000
/** What people think in. */
const spansMs = [10, 30, 60, 4 * 60, 8 * 60].map((minutes) => minutes * MINUTE_MS)

/** For how long a grant may be given here: what people think in, and the longest that the rule allows. */
export const grantSpansMs = ({ durationMsMax }: GrantTerms): readonly number[] => [
  ...spansMs.filter((ms) => ms < durationMsMax),
  durationMsMax,
]

/** What a rule lets approvers grant. */
export function grantTermsText(terms: GrantTerms | null): string {
  if (terms === null) return 'none'
  const { usesMax, durationMsMax, mayDiffer } = terms
  const free = mayDiffer.map((one) => [nameOf(one), ...one.is.map(boundText)].join(' '))
  const except = free.length === 0 ? '' : `, arguments the same except ${free.join('; ')}`
  return `up to ${usesMax} more calls for up to ${spanText(durationMsMax)}${except}`
}

const stateWords: Readonly<Record<GrantState, string>> = {
  stands: 'stands',
  used_up: 'used up',
  over: 'its time is over',
  ended: 'taken back',
  stopped: 'ended by the kill switch',
}

export const grantStateText = (state: GrantState, { ended }: Pick<Grant, 'ended'>): string =>
  state === 'ended' && ended !== null ? `ended: ${visible(ended.by)}` : stateWords[state]
