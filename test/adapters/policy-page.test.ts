/** Every example of policies/README.md and docs/approvers.md is loaded, and every call below one gets the verdict that the page promises. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { evaluate, talliesToRead } from '../../src/domain/policy.ts'
import { readPolicy } from '../../src/files/policy-file.ts'
import { runPolicyTests } from '../../src/files/policy-tests.ts'
import { aJudgedCall } from '../support/builders.ts'

const page = readFileSync(new URL('../../policies/README.md', import.meta.url), 'utf8')
const blocks = [
  ...page.matchAll(/```(yaml|json|calls|tests|grants)( refused)?\n((?!# \.github|# holdpoint).*?)```/gs),
].map(([, language, refused, text = '']) => ({ language, text, isRefused: refused !== undefined }))
const policies = blocks.filter(({ language }) => language === 'yaml' || language === 'json')

test('the page has its examples', () => {
  expect(policies.length).toBeGreaterThanOrEqual(8)
  expect(policies.filter(({ isRefused }) => isRefused)).toHaveLength(1)
})

describe.each(policies)('$text', ({ text, isRefused }) => {
  const read = readPolicy('README.md', text)
  test(isRefused ? 'is refused' : 'loads', () => {
    expect(read.ok ? [] : read.error).toEqual(isRefused ? [expect.anything()] : [])
  })
  const next = blocks[blocks.findIndex((block) => block.text === text) + 1]
  const lines = next?.language === 'calls' ? next.text.trim().split('\n') : []
  test('has calls, if it loads', () => expect(lines.length > 0).toBe(!isRefused))

  test.each(lines)('%s', (line) => {
    const [, tool = '', json, at, verdict] = /^(\S+)(?: (\{.*\}))?(?: @ (\S+))? → (\w+)$/.exec(line) ?? []
    if (!read.ok) throw new Error('it does not load')
    const args: JsonValue = JSON.parse(json ?? '{}')
    const call = aJudgedCall(tool, {
      arguments: args,
      agent: 'night-agent',
      nowMs: at === undefined ? 0 : Date.parse(at),
    })
    const tallies = new Map(talliesToRead(read.value, call).map(({ key }) => [key, 0]))
    expect(evaluate(read.value, { ...call, tallies }).kind).toBe(verdict)
  })
})

test('the tests that the page shows pass for its first example', () => {
  const read = readPolicy('README.md', policies[0]?.text ?? '')
  const tests = blocks.find(({ language }) => language === 'tests')?.text ?? ''
  if (!read.ok) throw new Error('it does not load')
  const report = runPolicyTests(read.value, 'README.test.yaml', tests)
  expect(report.ok ? report.value.tests.filter(({ passed }) => !passed) : report.error).toEqual([])
  expect(report.ok && report.value.tests.length).toBe(5)
})

test('the tests of grants that the page shows pass for its example', () => {
  const policy = policies.find(({ text }) => text.includes('may_differ:'))
  const read = readPolicy('README.md', policy?.text ?? '')
  const tests = blocks.find(({ language }) => language === 'grants')?.text ?? ''
  if (!read.ok) throw new Error('it does not load')
  const report = runPolicyTests(read.value, 'README.test.yaml', tests)
  expect(report.ok ? report.value.tests : report.error).toMatchObject([{ passed: true }])
})

test('what the page says of rules in shadow is so', () => {
  const at = blocks.findLastIndex(({ language }) => language === 'tests')
  const [policy] = blocks
    .slice(0, at)
    .filter(({ language }) => language === 'yaml')
    .slice(-1)
  const read = readPolicy('README.md', policy?.text ?? '')
  if (!read.ok) throw new Error('it does not load')
  expect(read.value.shadow).toHaveLength(1)
  const report = runPolicyTests(read.value, 'README.test.yaml', blocks[at]?.text ?? '')
  expect(report.ok ? report.value.tests.filter(({ passed }) => !passed) : report.error).toEqual([])
  expect(report.ok && [report.value.tests.length, report.value.untested]).toEqual([4, []])
})

test('the policies that docs/approvers.md shows load', () => {
  const approvers = readFileSync(new URL('../../docs/approvers.md', import.meta.url), 'utf8')
  const shown = [...approvers.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)
  expect(shown.length).toBeGreaterThan(0)
  for (const text of shown) {
    const read = readPolicy('approvers.md', text)
    expect(read.ok ? [] : read.error).toEqual([])
  }
})

test('the rules that README.md shows load, and do what their actions say', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const examples = [...readme.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)
  const rules = examples.filter(
    (text) => /^(default|hide|rules|tools):/m.test(text) && !/^servers:/m.test(text),
  )
  expect(rules.length).toBeGreaterThan(0)
  for (const text of rules) {
    const read = readPolicy('README.md', text)
    if (!read.ok) throw new Error(JSON.stringify(read.error))
    const { value: policy } = read
    const lines = [...text.matchAll(/^ {2}(\w+): \{ action: (\w+)/gm)]
    expect(lines.length).toBeGreaterThan(0)
    for (const [, tool = '', action] of lines) expect(evaluate(policy, aJudgedCall(tool)).kind).toBe(action)
    for (const [, tool = ''] of text.matchAll(/^hide: \[(\w+)/gm)) {
      expect(evaluate(policy, aJudgedCall(tool)).kind).toBe('hide')
    }
    expect(evaluate(policy, aJudgedCall('anything_else')).kind).toBe(policy.fallback.action)
  }
})
