/**
 * A condition about a `counter` reads what a limit counts under that name. Where none does, it reads 0 for ever: "fewer than five"
 * would be true of every call, so it is refused.
 */
import { didYouMean } from '../../domain/did-you-mean.ts'
import type { Rule } from '../../domain/policy/rule.ts'
import { type Limit, type Tally, windowText } from '../../domain/policy/tally.ts'
import type { Reader } from './reader.ts'

/** The first ones explain the rest, and looking for similar names takes time. */
const NAMED_MAX = 20

export function refuseUncounted(reader: Reader, rules: readonly Rule[]): void {
  // Of a limit with a mistake of its own nobody knows what it would have counted.
  if (reader.problems.length > 0) return
  const limits = rules.flatMap((rule) => rule.limits)
  const counted = new Set(limits.map(({ tally }) => countOf(tally)))
  const uncounted = reader.askedCounts.filter(({ tally }) => !counted.has(countOf(tally)))
  for (const { tally, at } of uncounted.slice(0, NAMED_MAX)) {
    const namesakes = limits.filter((limit) => limit.tally.name === tally.name)
    const [other] = namesakes.sort((a, b) => differences(tally, a).length - differences(tally, b).length)
    if (other === undefined) {
      const remedy =
        didYouMean(tally.name, new Set(limits.map((limit) => limit.tally.name))) ??
        'write the `counter` of a limit, or name the `tools` whose calls are to be counted'
      reader.mistake(
        [...at, 'counter'],
        `no limit counts "${tally.name}": this would read 0 for ever`,
        remedy,
      )
      continue
    }
    const differing = differences(tally, other)
    const written = (side: 'here' | 'there') => differing.map((each) => each[side]).join(' and ')
    reader.mistake(
      at,
      `${other.pointer} counts "${tally.name}" ${written('there')}, this asks ${written('here')}: it would read 0 for ever`,
      `let ${differing.map(({ key }) => `\`${key}\``).join(' and ')} be the same in both`,
    )
  }
}

/** What two tallies have in common that are one count, whatever a call adds to it. */
const countOf = ({ name, per, window }: Tally) => JSON.stringify([name, per, window])

function differences({ per, window }: Tally, { tally: other }: Limit) {
  const isSameWindow = JSON.stringify(window) === JSON.stringify(other.window)
  return [
    ...(per === other.per ? [] : [{ key: 'per', here: `per ${per}`, there: `per ${other.per}` }]),
    ...(isSameWindow ? [] : [{ key: keyOf(other), here: spanOf({ window }), there: spanOf(other) }]),
  ]
}

const keyOf = ({ window }: Pick<Tally, 'window'>) => (window.kind === 'sliding' ? 'window' : 'calendar')

const spanOf = ({ window }: Pick<Tally, 'window'>) =>
  window.kind === 'sliding' ? `over the last ${windowText(window)}` : `in the running ${windowText(window)}`
