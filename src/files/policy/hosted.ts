/** PolicyLayer's hosted JSON: listing a tool allows it; `require` and `deny_if` forbid some of its calls, `limits` too many. */

import type { z } from 'zod'
import type { Condition } from '../../domain/policy/condition.ts'
import { glob } from '../../domain/policy/glob.ts'
import { type Rule, usualTerms } from '../../domain/policy/rule.ts'
import type { Limit } from '../../domain/policy/tally.ts'
import { parseDottedPath, parsePath } from '../../domain/policy/value-path.ts'
import { type Path, pointer } from '../document.ts'
import { pathRemedy } from './conditions.ts'
import { type ParsePath, readForeignCondition } from './foreign.ts'
import { plainRule } from './own.ts'
import type { Reader } from './reader.ts'
import { allToolsShape, type hostedLimitShape, type hostedRuleShape, hostedToolShape } from './shapes.ts'

/** Its documentation has dots; what has brackets is read as ours. */
const parseHostedPath: ParsePath = (source) =>
  source.includes('[') ? parsePath(source) : parseDottedPath(source)

export function readHostedTool(reader: Reader, tool: string, at: Path): Rule[] {
  const written = reader.check(hostedToolShape, at)
  if (written === null) return []
  const { require = [], deny_if = [], limits = [] } = written
  return [
    plainRule('allow', tool, at),
    ...require.flatMap((each, index) => forbidding(reader, tool, each, [...at, 'require', index], 'unless')),
    ...deny_if.flatMap((each, index) => forbidding(reader, tool, each, [...at, 'deny_if', index], 'if')),
    ...limiting(reader, tool, limits, [...at, 'limits']),
  ]
}

export function readAllTools(reader: Reader): Rule[] {
  const at = ['all_tools']
  if (reader.document.get(at) === undefined) return []
  const written = reader.check(allToolsShape, at)
  return limiting(reader, '*', written?.limits ?? [], [...at, 'limits'])
}

function forbidding(
  reader: Reader,
  tool: string,
  written: z.output<typeof hostedRuleShape>,
  at: Path,
  mode: 'if' | 'unless',
): Rule[] {
  const { conditions, path, op, value, on_deny: reason = null } = written
  if ((conditions === undefined) === (path === undefined)) {
    reader.refuse(
      at,
      'this names no conditions, or names them twice',
      'write `conditions: [{ path, op, value }]`',
    )
    return []
  }
  const list = conditions ?? [{ path: path ?? '', op, value }]
  if (mode === 'unless' && list.length === 0) {
    reader.note(at, 'a `require` without conditions requires nothing', 'name a condition, or remove it')
    return []
  }
  const of = list.map((each, index) => {
    const place = conditions === undefined ? at : [...at, 'conditions', index]
    return readForeignCondition(reader, each, place, {
      parsePath: parseHostedPath,
      counterOf: () => null,
      isRequirement: mode === 'unless',
    })
  })
  if (!of.every((each) => each !== null)) return []
  const all: Condition = { kind: 'all', of }
  const when: Condition | null = mode === 'unless' ? { kind: 'not', of: all } : of.length === 0 ? null : all
  return [{ ...plainRule('deny', tool, at, reason), when }]
}

function limiting(
  reader: Reader,
  tool: string,
  written: readonly z.output<typeof hostedLimitShape>[],
  at: Path,
): Rule[] {
  const limits = written.flatMap((each, index): Limit[] => {
    const path = [...at, index]
    const amount = readAmount(reader, each, path, parseHostedPath)
    if (amount === null) return []
    const tally = {
      name: each.counter,
      per: 'agent',
      window: { kind: 'sliding', seconds: seconds[each.window] },
      amount,
    } as const
    return [{ pointer: pointer(path), tally, max: each.max, reason: each.on_deny ?? null }]
  })
  if (limits.length === 0) return []
  reader.note(at, 'windows of hosted limits slide here: the last hour, not the running one', 'nothing to do')
  const rule = { categories: null, risks: null, when: null, treatAs: null, terms: usualTerms }
  return [{ ...rule, pointer: pointer(at), action: null, reason: null, tools: [glob(tool)], limits }]
}

const seconds = { minute: 60, hour: 3_600, day: 86_400 } as const

/** What one call adds; `null` where that is refused. */
export function readAmount(
  reader: Reader,
  {
    increment,
    increment_from: from,
  }: { increment?: number | undefined; increment_from?: string | undefined },
  at: Path,
  parse: ParsePath,
) {
  if (from === undefined) {
    if (increment !== undefined && increment < 0) {
      return reader.refuse(
        [...at, 'increment'],
        'a negative increment would lower the count',
        'write a positive number',
      )
    }
    // Go reads 0 as "not written", and so does Intercept.
    return increment === undefined || increment === 0 ? 1 : increment
  }
  const path = parse(from)
  if (!path.ok) return reader.refuse([...at, 'increment_from'], path.error, pathRemedy)
  if (path.value.root !== 'args') {
    return reader.refuse([...at, 'increment_from'], 'only an argument is an amount', pathRemedy)
  }
  const message =
    'amounts that are negative, no numbers or absurdly large are refused here, fractions count in full'
  reader.note(
    [...at, 'increment_from'],
    message,
    'nothing to do: they would have lowered or dodged the count',
  )
  return path.value
}
