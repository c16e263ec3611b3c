/** Policies as files of their own, for the commands that look at one without a configuration. */
import { basename, dirname, extname, join } from 'node:path'
import type { Policy } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { readDocument, readTextFile } from './document.ts'
import { unknownTools } from './policy/unknown-tools.ts'
import { writePolicy } from './policy/write.ts'
import { named, readPolicy, readPolicyWithNotes } from './policy-file.ts'
import { type PolicyTestReport, runPolicyTests, toolsOfTests } from './policy-tests.ts'
import type { Problem } from './problem.ts'

export interface PolicyDocument {
  readonly policy: Policy
  readonly description: string | null
  readonly notes: readonly Problem[]
}

/** @param name how people call the file */
export function readPolicyDocument(path: string, name: string): Result<PolicyDocument, Problem[]> {
  const text = readTextFile(path, name)
  if (!text.ok) return text
  const read = readPolicyWithNotes(name, text.value)
  if (!read.ok) return read
  const { policy, notes } = read.value
  const document = readDocument(name, text.value, '')
  const description = document.ok ? document.value.get(['description']) : null
  return ok({
    policy,
    description: typeof description === 'string' ? description : null,
    notes,
  })
}

/** In Holdpoint's own spelling, read again before anybody gets it. */
export function converted({ policy, description }: PolicyDocument): Result<string, Problem[]> {
  const text = writePolicy(policy, description)
  const read = readPolicy(policy.source, text)
  if (read.ok) return ok(text)
  const [first] = read.error
  const message = `what it becomes in our own spelling does not load: ${first?.path ?? ''} ${first?.message ?? ''}`
  const remedy = 'keep it as it is, which loads; and please report this, with the policy'
  return err([{ file: policy.source, line: null, column: null, path: '', message, remedy }])
}

/** How people know the spelling of a policy. */
export const spellingOf = ({ spelling }: Policy): string => named[spelling]

/** `policies/shop.yaml` has its tests in `policies/shop.test.yaml`. */
const testsBeside = (path: string): string =>
  join(dirname(path), `${basename(path, extname(path))}.test.yaml`)

/** Names of tools that the tests beside a policy do not list, where they list what the server has. */
export function notListedBeside(path: string, policy: Policy, text: string): readonly Problem[] {
  const beside = readTextFile(testsBeside(path), '')
  const listed = beside.ok ? toolsOfTests('', beside.value) : null
  return listed === null ? [] : unknownTools(policy, text, listed)
}

/** @param name how people call the policy */
export function runTestsBeside(path: string, name: string): Result<PolicyTestReport, Problem[]> {
  const read = readPolicyDocument(path, name)
  if (!read.ok) return read
  const file = testsBeside(name)
  const text = readTextFile(testsBeside(path), file)
  return text.ok ? runPolicyTests(read.value.policy, file, text.value) : text
}
