/**
 * Table tests of a policy, in `<name>.test.yaml` beside it: which verdict each call must get, and by which rule. Runs them
 * and says which rules no test reaches.
 */
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import { asIf, evaluate, type Policy, talliesToRead, type Verdict, withShadow } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { categories, risks, unknownTool } from '../domain/risk.ts'
import { parseStrictJson } from '../domain/strict-json.ts'
import { type Path, readDocument } from './document.ts'
import { createReader } from './policy/reader.ts'
import { grantMismatch, grantsShape } from './policy-test-grants.ts'
import type { Problem } from './problem.ts'
import { checkShape, says } from './shape.ts'

export interface PolicyTest {
  readonly line: number | null
  readonly call: string
  readonly expected: string
  readonly got: string
  readonly passed: boolean
}

export interface PolicyTestReport {
  readonly tests: readonly PolicyTest[]
  /** Rules with an action, and the default: how many there are, and which ones no test was decided by. */
  readonly deciding: number
  readonly untested: readonly string[]
}

const kinds = ['allow', 'deny', 'require_approval', 'hide'] as const
/** `server` and `source` say what the table was made for, `tools` everything that the server lists. */
const topShape = z.strictObject({
  server: z.string().optional(),
  source: z.string().optional(),
  tools: z.array(z.string()).optional(),
  calls: z.array(z.string()).optional(),
  tests: z.array(z.unknown()).optional(),
})
const testShape = z.strictObject({
  call: z.string().min(1, says('no tool is named', 'write its name')),
  arguments: z.unknown().optional(),
  agent: z.string().optional(),
  owner: z.string().optional(),
  server: z.string().optional(),
  category: z.enum(categories).optional(),
  risk: z.enum(risks).optional(),
  at: z.iso
    .datetime({ offset: true, error: says('this is no instant', 'write it as 2026-11-23T09:00:00+09:00') })
    .optional(),
  before: z.number().min(0).optional(),
  expect: z.enum(kinds),
  as_if: z.enum(kinds).optional(),
  rule: z.string().optional(),
  reason: z.string().optional(),
  grants: grantsShape.optional(),
})

/** The JSON Schema of these files, for editors. */
export function policyTestsJsonSchema(): string {
  const shape = topShape.extend({ tests: z.array(testShape).optional() })
  const schema = z.toJSONSchema(shape, { target: 'draft-7', io: 'input' })
  return `${JSON.stringify({ title: 'Tests of a Holdpoint policy', ...schema }, null, 2)}\n`
}

/** The tools that the tests beside a policy say its server has; `null`: they do not say. */
export function toolsOfTests(file: string, text: string): readonly string[] | null {
  const read = readDocument(file, text, '')
  if (!read.ok) return null
  return checkShape(read.value, topShape).ok ? (namesIn(read.value.get(['tools'])) ?? null) : null
}

const namesIn = (value: JsonValue | undefined): readonly string[] | undefined =>
  Array.isArray(value) ? value.filter((name) => typeof name === 'string') : undefined

/** @param file the name people know */
export function runPolicyTests(
  policy: Policy,
  file: string,
  text: string,
): Result<PolicyTestReport, Problem[]> {
  const read = readDocument(file, text, 'write `tests:` with a list of calls')
  if (!read.ok) return read
  const reader = createReader(read.value, null)
  const shape = reader.check(topShape, [])
  const reached = new Set<string>()
  const run = (written: z.output<typeof testShape>, args: JsonValue, path: Path): PolicyTest => {
    const { call, verdict, tried } = judge(policy, written, args)
    const wantedGrants = written.grants
    const listOf = (key: string) => {
      const list = reader.document.get([...path, 'grants', key])
      return Array.isArray(list) ? list : []
    }
    const grants =
      wantedGrants === undefined
        ? { expected: [], got: [] }
        : grantMismatch(wantedGrants, { call, verdict }, (later) => judge(policy, written, later), {
            covers: listOf('covers'),
            asks: listOf('asks'),
          })
    const rule = 'rule' in verdict ? verdict.rule.slice(policy.source.length + 1) : null
    if (rule !== null) reached.add(rule)
    if (tried !== null && 'rule' in tried) reached.add(tried.rule.slice(policy.source.length + 1))
    const { expect, rule: wantedRule, reason, as_if: wantedTried } = written
    const wouldBe = (tried ?? verdict).kind
    const isSame =
      verdict.kind === expect &&
      grants.expected.length === 0 &&
      (wantedRule === undefined || wantedRule === rule) &&
      (wantedTried === undefined || wantedTried === wouldBe) &&
      (reason === undefined || ('reason' in verdict && verdict.reason === reason))
    const shown = written.arguments === undefined ? '' : ` ${JSON.stringify(written.arguments)}`
    return {
      line: read.value.at(path).line,
      call: `${written.call}${shown}`,
      expected: [
        wantedRule === undefined ? expect : `${expect} by ${wantedRule}`,
        ...(wantedTried === undefined ? [] : [`as if ${wantedTried}`]),
        ...grants.expected,
      ].join(', '),
      got: [
        [verdict.kind, ...(rule === null ? [] : [`by ${rule}`])].join(' '),
        ...(wouldBe === verdict.kind ? [] : [`as if ${wouldBe}`]),
        ...grants.got,
      ].join(', '),
      passed: isSame,
    }
  }
  const calls = (shape?.calls ?? []).flatMap((line, index): PolicyTest[] => {
    const path = ['calls', index]
    const written = readLine(line)
    if (written !== null) return [run(written, written.arguments ?? {}, path)]
    reader.refuse(
      path,
      'this is no call with its verdict',
      'write it as: pay {"amount": 5} → require_approval',
    )
    return []
  })
  const tests = (shape?.tests ?? []).flatMap((_, index): PolicyTest[] => {
    const path: Path = ['tests', index]
    const written = reader.check(testShape, path)
    return written === null ? [] : [run(written, reader.document.get([...path, 'arguments']) ?? {}, path)]
  })
  if (calls.length + tests.length === 0 && reader.problems.length === 0) {
    reader.refuse([], 'there is nothing to test', 'write `calls:` with a list')
  }
  if (reader.problems.length > 0) return err([...reader.problems])
  const deciding = [...withShadow(policy).rules.filter(({ action }) => action !== null), policy.fallback]
  const untested = deciding.map(({ pointer }) => pointer).filter((pointer) => !reached.has(pointer))
  return ok({ tests: [...calls, ...tests], deciding: deciding.length, untested })
}

/** `pay {"amount": 5} @ 2026-11-23T09:00:00Z → require_approval`, by an agent that has done nothing before. */
function readLine(line: string): (z.output<typeof testShape> & { arguments?: JsonValue }) | null {
  const [, call, json, at, expect] = /^(\S+)(?: (\{.*\}))?(?: @ (\S+))? → (\w+)$/.exec(line) ?? []
  const kind = kinds.find((each) => each === expect)
  const args = json === undefined ? null : parseStrictJson(json, 'whole')
  if (call === undefined || kind === undefined || args?.ok === false) return null
  if (at !== undefined && Number.isNaN(Date.parse(at))) return null
  return { call, at, before: 0, expect: kind, ...(args === null ? {} : { arguments: args.value }) }
}

/** `before`: what every count that a condition asks about is said to be. */
function judge(
  policy: Policy,
  written: z.output<typeof testShape>,
  args: JsonValue,
): { call: JudgedCall; verdict: Verdict; tried: Verdict | null } {
  const call: JudgedCall = {
    server: written.server ?? 'test',
    tool: written.call,
    arguments: args,
    agent: written.agent ?? 'agent',
    owner: written.owner ?? 'owner',
    session: null,
    facts: { category: written.category ?? unknownTool.category, risk: written.risk ?? unknownTool.risk },
    nowMs: written.at === undefined ? 0 : Date.parse(written.at),
  }
  const { before } = written
  const wanted = before === undefined ? [] : talliesToRead(policy, call)
  const whole = { ...call, tallies: new Map(wanted.map(({ key }) => [key, before ?? 0])) }
  return { call: whole, verdict: evaluate(policy, whole), tried: asIf(policy, whole) }
}
