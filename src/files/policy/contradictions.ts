/** What is said of rules that cannot do what they were written for: conditions that no call meets, and a rule that stands there twice. */
import { canonical } from '../../domain/canonical.ts'
import type { Condition } from '../../domain/policy/condition.ts'
import { whyNever } from '../../domain/policy/impossible.ts'
import type { Rule } from '../../domain/policy/rule.ts'
import type { Path } from '../document.ts'
import type { Reader } from './reader.ts'
import { ruleValue } from './selector.ts'
import { entryOf } from './shadow.ts'

export function noteContradictions(reader: Reader, rules: readonly Rule[]): void {
  for (const rule of rules) noteImpossible(reader, rule)
  noteTwins(reader, rules)
}

const remedy = 'correct or remove it; what need not hold at once is written under `any`'

function noteImpossible(reader: Reader, rule: Rule): void {
  const { when } = rule
  if (when === null) return
  const entry = entryOf(rule)
  const isOwn = reader.document.get([...entry, 'when']) !== undefined
  const place = isOwn ? [...entry, 'when'] : pathOf(rule.pointer)
  const why = whyNever(when)
  if (why !== null) {
    reader.note(place, `this condition can never be true: ${why}`, remedy)
    return
  }
  const whole = whyNever({ kind: 'all', of: [...aboutTools(rule), when] })
  if (whole !== null) {
    reader.note(place, `of the calls that this rule is about none meets its condition: ${whole}`, remedy)
    return
  }
  // A foreign condition has no parts with places of their own.
  const written = isOwn ? writtenPart(reader, entry, when) : null
  if (written !== null) noteParts(reader, written, place)
}

/** What the rule says besides its condition, as conditions. */
function aboutTools({ tools, categories, risks }: Rule): readonly Condition[] {
  const about = { kind: 'value', otherwise: undefined } as const
  return [
    {
      ...about,
      path: { source: 'tool', root: 'tool', steps: [] },
      is: [{ op: 'like', patterns: tools }],
    },
    ...(categories === null
      ? []
      : [
          {
            ...about,
            path: { source: 'category', root: 'category', steps: [] },
            is: [{ op: 'in', values: categories }],
          } as const,
        ]),
    ...(risks === null
      ? []
      : [
          {
            ...about,
            path: { source: 'risk', root: 'risk', steps: [] },
            is: [{ op: 'in', values: risks }],
          } as const,
        ]),
  ]
}

/** `agents`, `owners` and `servers` stand before `when` in the condition of a rule. */
function writtenPart(reader: Reader, entry: Path, when: Condition): Condition | null {
  const isNarrowed = ['agents', 'owners', 'servers'].some(
    (key) => reader.document.get([...entry, key]) !== undefined,
  )
  if (!isNarrowed) return when
  return when.kind === 'all' ? (when.of.at(-1) ?? null) : null
}

/** The parts that are impossible by themselves, the outermost ones. */
function noteParts(reader: Reader, condition: Condition, at: Path): void {
  switch (condition.kind) {
    case 'all':
    case 'any':
      for (const [index, part] of condition.of.entries()) {
        notePart(reader, part, [...at, condition.kind, index], 'this part of the condition can never be true')
      }
      return
    case 'not':
      notePart(
        reader,
        condition.of,
        [...at, 'not'],
        'what is under `not` can never be true, so the `not` never keeps a call out',
      )
      return
    default:
  }
}

function notePart(reader: Reader, part: Condition, at: Path, message: string): void {
  const why = whyNever(part)
  if (why === null) noteParts(reader, part, at)
  else reader.note(at, `${message}: ${why}`, remedy)
}

/** Two rules that say the same of the same calls: one of them is left over, or was meant to be about something else. */
function noteTwins(reader: Reader, rules: readonly Rule[]): void {
  const seen = new Map<string, Rule>()
  for (const rule of rules) {
    const key = canonical(ruleValue(rule))
    const earlier = seen.get(key)
    if (earlier === undefined) seen.set(key, rule)
    else if (earlier.pointer !== rule.pointer) {
      reader.note(
        pathOf(rule.pointer),
        `this rule says what ${earlier.pointer} says already`,
        'remove one of them, or let it be about what was meant',
      )
    }
  }
}

const pathOf = (pointer: string): Path =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
