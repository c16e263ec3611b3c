/**
 * Every block of YAML or JSON in the project's pages that is a policy is loaded and judges calls here; a block that is nothing this test
 * knows fails it, so that no example is left out by accident. What policies/README.md promises of its own is in `policy-page.test.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { isExact } from '../../src/domain/policy/glob.ts'
import { type Action, isStricter } from '../../src/domain/policy/rule.ts'
import { evaluate } from '../../src/domain/policy.ts'
import { readPolicy } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

const root = join(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'src/README.md',
  ...['docs', 'policies'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]

const policyKeys = ['default', 'hide', 'allow', 'deny', 'require_approval', 'tools', 'rules', 'all_tools']
const besides = ['version', 'description', 'shadow']
const configKeys = [
  ...['people', 'groups', 'agents', 'servers', 'operators', 'channels', 'oauth', 'private_networks'],
  ...['timings', 'limits'],
]
const workflowKeys = ['name', 'on', 'jobs']

interface Block {
  readonly name: string
  readonly text: string
  readonly keys: readonly string[] | null
  readonly isRefused: boolean
}
const mapShape = z.record(z.string(), z.unknown())

const blocks = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^( *)(?:```|~~~)(yaml|yml|json|jsonc)\b([^\n]*)\n(.*?)^\1(?:```|~~~)/gms)].map(
    ([, indent = '', language, info = '', body = ''], index): Block & { readonly language: string } => ({
      name: `${page}, block ${index + 1}`,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      keys: keysOf(body),
      isRefused: info.trim() === 'refused',
      language: language ?? '',
    }),
  )
})

/** `null`: it is no map, or an excerpt that does not parse. */
function keysOf(text: string): readonly string[] | null {
  try {
    return Object.keys(mapShape.parse(parse(text)))
  } catch {
    return null
  }
}

const isWithin = (keys: readonly string[] | null, known: readonly string[]) =>
  keys?.every((key) => known.includes(key)) === true
const isPolicy = ({ keys }: Block) =>
  isWithin(keys, [...policyKeys, ...besides]) && keys?.some((key) => policyKeys.includes(key)) === true

const policies = blocks.filter(isPolicy)

test('the pages have their examples', () => {
  expect(policies.length).toBeGreaterThanOrEqual(15)
  for (const page of ['README.md', 'policies/README.md', 'docs/approvers.md'])
    expect(policies.filter(({ name }) => name.startsWith(`${page},`)).length).toBeGreaterThan(0)
})

test('every block of YAML is a policy, a holdpoint.yaml or a workflow, as a whole', () => {
  const others = blocks
    .filter(({ language }) => language.startsWith('y'))
    .filter((block) => !isPolicy(block))
    .filter(({ keys }) => !isWithin(keys, configKeys) && !isWithin(keys, workflowKeys))
  expect(others.map(({ name }) => name)).toEqual([])
})

test('no block of JSON has rules and does not load', () => {
  const others = blocks
    .filter(({ language }) => language.startsWith('j'))
    .filter((block) => !isPolicy(block))
    .filter(({ text }) => /"(?:rules|deny_if|hide|require_approval|action)"\s*:/.test(text))
  expect(others.map(({ name }) => name)).toEqual([])
})

describe.each(policies)('$name', ({ text, isRefused }) => {
  const read = readPolicy('page.yaml', text)
  test(isRefused ? 'is refused' : 'loads', () => {
    expect(read.ok ? [] : read.error).toEqual(isRefused ? [expect.anything()] : [])
  })

  test('does what its rules say', () => {
    if (!read.ok) return
    const { rules, hidden, fallback } = read.value
    for (const rule of rules) {
      const { action, when, tools } = rule
      if (action === null || when !== null || rule.categories !== null || rule.risks !== null) continue
      for (const { source } of tools.filter(isExact)) {
        const { kind } = evaluate(read.value, aJudgedCall(source))
        const isMilder = kind !== 'hide' && isStricter(action, kind satisfies Action)
        expect({ source, kind, isMilder }).toMatchObject({ isMilder: false })
      }
    }
    for (const name of hidden) {
      expect(evaluate(read.value, aJudgedCall(name.replaceAll('*', 'x'))).kind).toBe('hide')
    }
    const { kind } = evaluate(read.value, aJudgedCall('a_tool_that_no_example_names'))
    expect(kind === 'hide' || !isStricter(fallback.action, kind)).toBe(true)
  })
})
