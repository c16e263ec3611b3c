/** `test`, `policy convert` and `policy schema`: policies as files, without a configuration and without a gateway. */
import { resolve } from 'node:path'
import {
  converted,
  formatProblems,
  type PolicyTestReport,
  type Problem,
  policyJsonSchema,
  policyTestsJsonSchema,
  readPolicyDocument,
  runTestsBeside,
} from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { visible } from '../domain/visible.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson } from './session.ts'
import { table } from './table.ts'

export function testPolicies(
  { io, surroundings }: Parts,
  files: readonly string[],
  { json }: { json: boolean },
): ExitCode {
  // `policies/*.yaml` names the tests too.
  const policies = files.filter((file) => !file.endsWith('.test.yaml'))
  // Nothing that ran must not look like everything that passed.
  if (policies.length === 0) {
    const [file = ''] = files
    io.err(`${visible(file)} holds tests, and no policy was named, so nothing was run.`)
    io.err(
      `  → name the policy that it stands beside: ${CLI} test ${visible(file.replace(/\.test\.yaml$/, '.yaml'))}`,
    )
    return 2
  }
  const runs = policies.map((file) => ({ file, run: runTestsBeside(resolve(surroundings.cwd, file), file) }))
  const problems = runs.flatMap(({ run }) => (run.ok ? [] : run.error))
  const reports = runs.flatMap(({ file, run }) => (run.ok ? [{ file, ...run.value }] : []))
  const failed = reports.flatMap(({ tests }) => tests.filter(({ passed }) => !passed)).length
  if (json) printJson(io, { passed: failed === 0 && problems.length === 0, policies: reports, problems })
  else {
    for (const report of reports) printReport({ io }, report)
    if (problems.length > 0) io.err(formatProblems(problems))
  }
  return problems.length > 0 ? 2 : failed > 0 ? 1 : 0
}

function printReport({ io }: Pick<Parts, 'io'>, report: PolicyTestReport & { readonly file: string }) {
  const { file, tests, deciding, untested } = report
  const failures = tests.filter(({ passed }) => !passed)
  const rows = failures.map(({ line, call, expected, got }) => [String(line ?? ''), call, expected, got])
  if (rows.length > 0) {
    for (const line of table([['LINE', 'CALL', 'EXPECTED', 'GOT'], ...rows])) io.out(line)
  }
  const counted = `${file}: ${tests.length - failures.length} of ${tests.length} tests passed`
  io.out(`${counted}; ${deciding - untested.length} of ${deciding} rules decided one.`)
  if (untested.length > 0) io.out(`  never: ${untested.join(' ')}`)
}

export function convertPolicy({ io, surroundings }: Parts, file: string): ExitCode {
  const read = readPolicyDocument(resolve(surroundings.cwd, file), file)
  if (!read.ok) return refused(io, read.error)
  const text = converted(read.value)
  if (!text.ok) return refused(io, text.error)
  io.out(text.value.trimEnd())
  if (read.value.notes.length > 0) io.err(formatProblems(read.value.notes))
  return 0
}

export function printPolicySchema({ io }: Parts, { tests }: { tests: boolean }): ExitCode {
  io.out((tests ? policyTestsJsonSchema() : policyJsonSchema()).trimEnd())
  return 0
}

function refused(io: Parts['io'], problems: readonly Problem[]): ExitCode {
  io.err(formatProblems(problems))
  return 2
}
