/**
 * Reminders and escalations that never come: the call has ended before. Within one rule with a `timeout` that is refused where it is
 * written; here it is a word, because another rule or the configuration sets the deadline, and not for every call.
 */
import { covers } from '../../domain/policy/glob.ts'
import type { Rule } from '../../domain/policy/rule.ts'
import { spanText } from '../../domain/present.ts'
import type { Path } from '../document.ts'
import type { Reader } from './reader.ts'

/** Comparing each rule with each is not done for more of them than people write. */
const COMPARED_MAX = 200

/** @param placeOf where a rule is written */
export function noteMoments(reader: Reader, rules: readonly Rule[], placeOf: (rule: Rule) => Path): void {
  const asking = rules.filter(({ action }) => action === 'require_approval').slice(0, COMPARED_MAX)
  for (const rule of asking) {
    const last = Math.max(
      ...(rule.terms.remindersMs ?? [0]),
      ...(rule.terms.escalation ?? []).map(({ afterMs }) => afterMs),
    )
    if (last === 0) continue
    const shorter = asking.find(
      (other) => other !== rule && (other.terms.timeoutMs ?? Infinity) <= last && canMeet(other, rule),
    )
    const usual = rule.terms.timeoutMs === null ? (reader.known?.decisionMs ?? Infinity) : Infinity
    const what = `the reminder or escalation after ${spanText(last)}`
    if (usual <= last) {
      const message = `${what} never comes: the time for a decision is ${spanText(usual)} (\`timings.decision\`)`
      reader.note(placeOf(rule), message, 'give the rule a longer `timeout`, or write a shorter time')
    } else if (shorter !== undefined) {
      const until = spanText(shorter.terms.timeoutMs ?? 0)
      const message = `${what} never comes of a call that ${shorter.pointer} asks about too, whose \`timeout\` of ${until} ends it before`
      reader.note(placeOf(rule), message, 'write a shorter time, or give that rule a longer `timeout`')
    }
  }
}

function canMeet(a: Rule, b: Rule): boolean {
  const isBoth = <T>(some: readonly T[] | null, others: readonly T[] | null) =>
    some === null || others === null || some.some((each) => others.includes(each))
  return (
    a.tools.some((one) => b.tools.some((other) => covers(one, other) || covers(other, one))) &&
    isBoth(a.categories, b.categories) &&
    isBoth(a.risks, b.risks)
  )
}
