/** `shadow: true`, at one rule or for all of them: what is enforced, and what only says what it would have done. */
import type { Rule } from '../../domain/policy/rule.ts'
import type { Path } from '../document.ts'
import type { Reader } from './reader.ts'

export function readShadow(
  reader: Reader,
  rules: readonly Rule[],
): { readonly rules: readonly Rule[]; readonly shadow: readonly Rule[] } {
  const { document } = reader
  const isWhole = document.get(['shadow']) === true
  const shadow: Rule[] = []
  const enforced = rules.flatMap((rule): Rule[] => {
    const at = entryOf(rule)
    const isOwn = document.get([...at, 'shadow']) === true
    if (!isWhole && !isOwn) return [rule]
    if (rule.action === null) {
      if (isOwn) {
        reader.refuseKey(
          [...at, 'shadow'],
          rule.limits.length > 0
            ? 'a limit cannot be tried: nothing would be counted'
            : 'a level by itself decides nothing that could be tried',
          'remove `shadow`',
        )
      }
      return [rule]
    }
    if (isOwn) note(reader, [...at, 'shadow'], 'this rule')
    shadow.push({ ...rule, limits: [] })
    // A limit only ever makes a policy stricter, and is counted by what is really sent.
    return rule.limits.length === 0 ? [] : [{ ...rule, action: null, treatAs: null }]
  })
  if (isWhole && shadow.length > 0)
    note(reader, ['shadow'], shadow.length === 1 ? 'the one rule' : `each of ${shadow.length} rules`)
  return { rules: enforced, shadow }
}

function note(reader: Reader, path: Path, what: string) {
  reader.note(
    path,
    `${what} is NOT enforced: it only says what it would have done`,
    'remove `shadow` to enforce it',
  )
}

/** Where a rule stands: `/tools/pay` also where `/tools/pay/action` decides. */
export function entryOf({ pointer }: Rule): Path {
  const [section = '', entry = ''] = pointer
    .split('/')
    .slice(1, 3)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return section === 'rules' ? [section, Number(entry)] : [section, entry]
}
