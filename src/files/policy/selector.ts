/** Which calls a rule is about, as one value: what tells the count of a limit without a name from every other count. */
import { canonical, digestOf, type JsonValue } from '../../domain/canonical.ts'
import type { Condition } from '../../domain/policy/condition.ts'
import type { Rule } from '../../domain/policy/rule.ts'
import type { ValuePath } from '../../domain/policy/value-path.ts'
import { writeCondition, writeRule } from './write.ts'

/** `when`: with `agents`, `owners` and `servers`. */
export type Selector = Pick<Rule, 'tools' | 'categories' | 'risks' | 'when'>

/**
 * The name of a count that nobody named. Limits that count the same of the same calls share it, wherever they stand and whatever
 * their `max` is: raising one must not begin a new count. Any other limit has another name.
 */
export function unnamed({ tools, categories, risks, when }: Selector, amount: number | ValuePath): string {
  const among = unordered(tools.map(({ source }) => source))
  const what = typeof amount === 'number' ? amount : amount.source
  const narrowed = {
    ...(categories === null ? {} : { category: unordered(categories) }),
    ...(risks === null ? {} : { risk: unordered(risks) }),
    ...(when === null ? {} : { when: conditionValue(when) }),
  }
  return digestOf({ among, amount: what, ...narrowed }).slice(0, 16)
}

/** Equal for conditions that say the same in another order. */
export const conditionValue = (condition: Condition): JsonValue => unordered(writeCondition(condition))

/** Equal for rules that say the same of the same calls, in whatever order. The order of stages and look-ups says something. */
export function ruleValue(rule: Rule): JsonValue {
  const { terms, pointer: _pointer, ...others } = rule
  const { name: _name, approval: _approval, ...written } = writeRule({ ...others, terms, pointer: '' })
  return { about: unordered(written), terms: JSON.stringify(terms) }
}

/** Every list in a written condition is a set, besides the one that may be a `default`. */
function unordered(value: JsonValue): JsonValue {
  if (isList(value)) {
    const items = value.map((item) => ({ item: unordered(item), text: canonical(unordered(item)) }))
    return [...new Map(items.map((each) => [each.text, each.item])).entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, item]) => item)
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, key === 'default' ? each : unordered(each)]),
  )
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)
