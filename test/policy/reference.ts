/**
 * The language once more, as naively as it can be written, from policies/README.md and not from the source: every value has
 * the set of answers that are possible, every rule that may or may not match is tried both ways, and the strictest result
 * counts. It shares the types with the real evaluator and nothing else.
 */
import type { Comparison } from '../../src/domain/policy/comparison.ts'
import type { Condition } from '../../src/domain/policy/condition.ts'
import type { JudgedCall } from '../../src/domain/policy/judged-call.ts'
import type { Rule } from '../../src/domain/policy/rule.ts'
import { tallyKey } from '../../src/domain/policy/tally.ts'
import type { Policy } from '../../src/domain/policy.ts'

type Answers = readonly boolean[]
const yes: Answers = [true]
const no: Answers = [false]
const either: Answers = [true, false]
const sure = (answer: boolean) => (answer ? yes : no)

const combine = (parts: readonly Answers[], join: (answers: boolean[]) => boolean): Answers => {
  let combinations: boolean[][] = [[]]
  for (const part of parts) {
    combinations = combinations.flatMap((before) => part.map((answer) => [...before, answer]))
  }
  return [...new Set(combinations.map(join))]
}
const every = (parts: readonly Answers[]) => combine(parts, (answers) => !answers.includes(false))
const some = (parts: readonly Answers[]) => combine(parts, (answers) => answers.includes(true))

const star = (pattern: string, name: string) =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^]*')}$`).test(name)

/** Servers may read another value there than we would. */
const unclear = Symbol('unclear')

const spelled = (key: string) => key.normalize('NFKC').toUpperCase().toLowerCase()

function at(value: unknown, steps: readonly (string | number)[]): unknown {
  const [step, ...rest] = steps
  if (step === undefined) return value
  if (value === null || value === undefined) return undefined
  if (typeof value !== 'object' || Array.isArray(value) !== (typeof step === 'number')) return unclear
  const alike = Object.entries(value).filter(([key]) => spelled(key) === spelled(String(step)))
  const [own] = alike
  if (own === undefined || alike.every(([, each]) => each === null)) return undefined
  return alike.length === 1 && own[0] === String(step) ? at(own[1], rest) : unclear
}

function asks(comparison: Comparison, value: unknown): Answers {
  if (value === unclear) return either
  const isThere = value !== undefined && value !== null
  if (comparison.op === 'exists') return sure(isThere === comparison.value)
  if (!isThere) return either
  const text = typeof value === 'string' ? value : null
  const number = typeof value === 'number' ? value : null
  const list: readonly unknown[] | null = Array.isArray(value) ? value : null
  switch (comparison.op) {
    case 'eq':
      return typeof value === typeof comparison.value ? sure(value === comparison.value) : either
    case 'neq':
      return typeof value === typeof comparison.value ? sure(value !== comparison.value) : either
    case 'in':
    case 'not_in': {
      const alike = comparison.values.filter((each) => typeof each === typeof value)
      if (alike.length === 0) return either
      return sure(alike.some((each) => each === value) === (comparison.op === 'in'))
    }
    case 'eq_text':
      return typeof value === 'object' ? either : sure(`${value}` === `${comparison.value}`)
    case 'in_text':
      return typeof value === 'object'
        ? either
        : sure(comparison.values.some((each) => `${each}` === `${value}`))
    case 'lt':
      return number === null ? either : sure(number < comparison.value)
    case 'lte':
      return number === null ? either : sure(number <= comparison.value)
    case 'gt':
      return number === null ? either : sure(number > comparison.value)
    case 'gte':
      return number === null ? either : sure(number >= comparison.value)
    case 'starts_with':
      return text === null ? either : sure(text.slice(0, comparison.value.length) === comparison.value)
    case 'ends_with':
      return text === null
        ? either
        : sure(
            text.length >= comparison.value.length &&
              text.slice(text.length - comparison.value.length) === comparison.value,
          )
    case 'contains':
      if (text !== null)
        return typeof comparison.value === 'string' ? sure(text.indexOf(comparison.value) >= 0) : either
      if (list === null) return either
      return some(list.map((item) => asks({ op: 'eq', value: comparison.value }, item ?? {})))
    case 'like':
      return text === null ? either : sure(comparison.patterns.some(({ source }) => star(source, text)))
    case 'matches':
      return text === null ? either : sure(new RegExp(comparison.regex.source).test(text))
    case 'length': {
      const size =
        text !== null
          ? Array.from(text).length
          : list !== null
            ? list.length
            : typeof value === 'object'
              ? Object.keys(value).length
              : undefined
      return every(comparison.is.map((each) => asks(each, size)))
    }
    case 'some':
    case 'every': {
      if (list === null) return either
      const answers = list.map((item) => {
        const part = comparison.path === null ? item : at(item, comparison.path.steps)
        return every(comparison.is.map((each) => asks(each, part)))
      })
      return comparison.op === 'some' ? some(answers) : every(answers)
    }
  }
}

/** The name has a mark; whatever looks at a part of names and has none itself may not have been meant for it. */
function ofTheOtherKind(comparison: Comparison, answers: Answers, mark: string, name: string): Answers {
  if (!answers.includes(true)) return answers
  switch (comparison.op) {
    case 'like': {
      const matching = comparison.patterns.filter(({ source }) => star(source, name))
      return matching.some(({ source }) => /^\*+$/.test(source) || source.includes(mark)) ? answers : either
    }
    case 'starts_with':
    case 'ends_with':
    case 'contains':
      return `${comparison.value}`.includes(mark) ? answers : either
    case 'matches':
      return comparison.regex.source.includes(mark) ? answers : either
    default:
      return answers
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** Making one takes longer than everything else here. */
function clockIn(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  })
  clocks.set(timeZone, made)
  return made
}

function isSo(condition: Condition, call: JudgedCall): Answers {
  switch (condition.kind) {
    case 'all':
      return every(condition.of.map((each) => isSo(each, call)))
    case 'any':
      return some(condition.of.map((each) => isSo(each, call)))
    case 'not':
      return isSo(condition.of, call).map((answer) => !answer)
    case 'value': {
      const { root, steps } = condition.path
      const found: unknown = {
        args: at(call.arguments, steps),
        tool: call.tool,
        agent: call.agent,
        owner: call.owner,
        server: call.server,
        category: call.facts.category,
        risk: call.facts.risk,
      }[root]
      return every(
        condition.is.map((each) => {
          const answers = asks(each, found ?? condition.otherwise)
          const mark = root === 'agent' ? '#' : root === 'owner' ? ':' : null
          return mark !== null && String(found).includes(mark)
            ? ofTheOtherKind(each, answers, mark, String(found))
            : answers
        }),
      )
    }
    case 'time': {
      const { zone, days, from, to } = condition.window
      const [day = '', time = ''] = clockIn(zone).format(call.nowMs).split(/,? /)
      const [hour = 0, minute = 0] = time.split(':').map(Number)
      const now = hour * 60 + minute
      const week = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
      const today = week.indexOf(day.toLowerCase())
      // Every minute of the week that is inside, one by one.
      const inside = days.some((name) => {
        const begins = week.indexOf(name) * 1440 + from
        const length = to > from ? to - from : to + 1440 - from
        return (today * 1440 + now - begins + 7 * 1440) % (7 * 1440) < length
      })
      return sure(inside)
    }
    case 'history': {
      const count = call.tallies?.get(tallyKey(condition.tally, call))
      return every(condition.is.map((each) => asks(each, count)))
    }
  }
}

/** Every level that a call may be said to have: of each choice of rules that may match, the highest. */
function levels(rules: readonly Rule[], call: JudgedCall): readonly JudgedCall['facts']['risk'][] {
  const order = ['low', 'medium', 'high', 'critical'] as const
  let choices: (readonly number[])[] = [[]]
  for (const rule of rules) {
    const { treatAs } = rule
    if (treatAs === null) continue
    const answers = mayMatch(rule, call)
    choices = choices.flatMap((before) =>
      answers.map((answer) => (answer ? [...before, order.indexOf(treatAs)] : before)),
    )
  }
  const found = choices.map((said) =>
    said.length === 0 ? call.facts.risk : (order[Math.max(...said)] ?? 'low'),
  )
  return [...new Set(found)]
}

/** As the rules say how bad the call is. A rule that says so goes by what is known. */
function mayMatchAmong(rule: Rule, rules: readonly Rule[], call: JudgedCall): Answers {
  if (rule.treatAs !== null) return mayMatch(rule, call)
  const at = levels(rules, call).map((risk) => ({ ...call, facts: { ...call.facts, risk } }))
  return [...new Set(at.flatMap((each) => mayMatch(rule, each)))]
}

function mayMatch({ tools, categories, risks, when }: Rule, call: JudgedCall): Answers {
  const { category, risk } = call.facts
  return every([
    sure(tools.some(({ source }) => star(source, call.tool))),
    categories === null ? yes : category === null ? either : sure(categories.includes(category)),
    sure(risks === null || risks.includes(risk)),
    when === null ? yes : isSo(when, call),
  ])
}

type ReferenceAction = 'hide' | 'allow' | 'require_approval' | 'deny'

/** The action alone: which of several equal rules names the approvers is another matter. */
export function referenceAction(policy: Policy, call: JudgedCall): ReferenceAction {
  const enforced = actionOf(policy, policy.rules, call)
  if (call.facts.category !== null) return enforced
  // Nobody has classified the tool: what is only tried counts where it is stricter.
  const order = ['allow', 'require_approval', 'deny', 'hide'] as const
  const whole = referenceAsIf(policy, call)
  return order.indexOf(whole) > order.indexOf(enforced) ? whole : enforced
}

export const referenceAsIf = (policy: Policy, call: JudgedCall): ReferenceAction =>
  actionOf(policy, [...policy.rules, ...policy.shadow], call)

function actionOf(policy: Policy, rules: readonly Rule[], call: JudgedCall): ReferenceAction {
  for (const name of policy.hidden) if (star(name, call.tool)) return 'hide'
  const order = ['allow', 'require_approval', 'deny'] as const
  const acting = rules.filter(({ action }) => action !== null)
  const answers = acting.map((rule) => mayMatchAmong(rule, rules, call))
  const matched: boolean[][] = answers.reduce<boolean[][]>(
    (before, each) => before.flatMap((done) => each.map((answer) => [...done, answer])),
    [[]],
  )
  const results = matched.map((is) => {
    const actions = acting.flatMap(({ action }, index) =>
      is[index] === true && action !== null ? [action] : [],
    )
    const strictest = Math.max(-1, ...actions.map((action) => order.indexOf(action)))
    return strictest === -1 ? order.indexOf(policy.fallback.action) : strictest
  })
  const action = order[Math.max(...results)] ?? 'deny'
  if (action === 'deny') return 'deny'
  const counted = rules.flatMap((rule) =>
    mayMatchAmong(rule, rules, call).includes(true) ? rule.limits : [],
  )
  const uncountable = counted.some(({ tally: { amount } }) => {
    const value: unknown = typeof amount === 'number' ? amount : at(call.arguments, amount.steps)
    return !(typeof value === 'number' && value >= 0 && value <= 1e15)
  })
  return uncountable ? 'deny' : action
}
