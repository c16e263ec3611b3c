/** Every ready policy loads, gives each tool of its server the verdict that its table promises, and stands in the index. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { evaluate, talliesToRead } from '../../src/domain/policy.ts'
import { readPolicy, readPolicyWithNotes } from '../../src/files/policy-file.ts'
import { labelled, parts } from '../risk/labelled.ts'
import { aJudgedCall } from '../support/builders.ts'

const directory = join(import.meta.dirname, '../../policies')
const read = (name: string) => readFileSync(join(directory, name), 'utf8')
const tableShape = z.strictObject({
  server: z.string(),
  source: z.string(),
  calls: z.array(z.string()).min(2),
  // Run by `holdpoint test`, as every user does.
  tests: z.array(z.unknown()).optional(),
})

const ready = readdirSync(directory)
  .filter((name) => /\.(?:yaml|json)$/.test(name) && !/\.(?:test\.yaml|schema\.json)$/.test(name))
  .map((file) => {
    const id = file.replace(/\.(?:yaml|json)$/, '')
    return {
      id,
      file,
      policy: readPolicy(file, read(file)),
      ...tableShape.parse(parse(read(`${id}.test.yaml`))),
    }
  })

test.each(ready)('$file has nothing that is probably not meant', ({ file }) => {
  const reading = readPolicyWithNotes(file, read(file), {
    ...{ people: [], groups: [], agents: [], servers: [], decisionMs: 4 * 3_600_000 },
    hasIssuers: true,
  })
  expect(reading.ok ? reading.value.notes : reading.error).toEqual([])
})

function verdictOn({ policy }: (typeof ready)[number], call: string) {
  const [, tool = '', json, expected] = /^(\S+)(?: (\{.*\}))? → (\w+)$/.exec(call) ?? []
  if (!policy.ok) throw new Error(JSON.stringify(policy.error))
  const args: JsonValue = JSON.parse(json ?? '{}')
  const judged = aJudgedCall(tool, { arguments: args })
  const tallies = new Map(talliesToRead(policy.value, judged).map(({ key }) => [key, 0]))
  return { tool, expected, verdict: evaluate(policy.value, { ...judged, tallies }) }
}

test('there are policies for at least 25 servers', () => {
  expect(ready.length).toBeGreaterThanOrEqual(25)
})

describe.each(ready)('$file', (one) => {
  test('gives each call the verdict of its table', () => {
    const wrong = one.calls
      .map((call) => ({ call, ...verdictOn(one, call) }))
      .filter(({ verdict, expected }) => verdict.kind !== expected)
    expect(wrong.map(({ call, verdict }) => `${call}, not ${verdict.kind}`)).toEqual([])
  })

  test('says why, wherever it asks about a tool or refuses it', () => {
    const silent = one.calls
      .map((call) => verdictOn(one, call))
      .filter(
        ({ verdict }) =>
          (verdict.kind === 'deny' || verdict.kind === 'require_approval') && verdict.reason === null,
      )
    // The default has no reason of its own.
    expect(silent.map(({ tool }) => tool)).toEqual(['a_tool_that_comes_later'])
  })

  test('names no tool that its table does not have', () => {
    const tools = new Set(one.calls.map((call) => call.split(' ')[0]))
    const named = one.policy.ok
      ? one.policy.value.rules.flatMap((rule) => rule.tools.map(({ source }) => source))
      : []
    expect(named.filter((name) => !name.includes('*') && !tools.has(name))).toEqual([])
  })
})

test('no ready policy lets a tool pass that a person labelled as destructive, financial or critical', () => {
  const labels = new Map(parts.flatMap((part) => labelled(part)).map(({ name, label }) => [name, label]))
  const passing = ready.flatMap((one) =>
    one.calls
      .map((call) => verdictOn(one, call))
      .filter(({ verdict }) => verdict.kind === 'allow')
      .map(({ tool }) => ({ name: `${one.id}.${tool}`, label: labels.get(`${one.id}.${tool}`) })),
  )
  expect(passing.filter(({ label }) => label !== undefined).length).toBeGreaterThan(200)
  const grave = passing.filter(
    ({ label }) =>
      label?.risk === 'critical' || label?.category === 'destructive' || label?.category === 'financial',
  )
  expect(grave.map(({ name }) => name)).toEqual([])
})

/** Written anew with `npx vitest run test/adapters/ready-policies.test.ts -u`. */
test('the index lists them all', async () => {
  const rows = ready.map((one) => {
    const tools = new Map<string, string>()
    for (const call of one.calls) {
      const { tool, verdict } = verdictOn(one, call)
      // The first line of a tool is its plain call.
      if (tool !== 'a_tool_that_comes_later' && !tools.has(tool)) tools.set(tool, verdict.kind)
    }
    const count = (kind: string) => [...tools.values()].filter((verdict) => verdict === kind).length
    const counts = [tools.size, count('allow'), count('require_approval'), count('deny')].join(' | ')
    return `| [${one.server}](${one.file}) | ${counts} | ${one.source} |`
  })
  const page = [
    '# Ready policies',
    '',
    'For the tools that each server listed in the version named; what it lists later is asked about. Reading passes, everything else asks',
    'or is refused, with a reason. Each has a table of calls and verdicts (`<name>.test.yaml`) that `npm test` runs. Read one before you use it:',
    'what is harmless in one house is not in another.',
    '',
    '| server | tools | pass | ask | refused | made for |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
  await expect(page).toMatchFileSnapshot(join(directory, 'INDEX.md'))
})
