/** `test` and the part of `policy` that works on files: their place among the commands. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

export function addPolicyTests(
  program: Command,
  parts: Parts,
  finish: (code: ExitCode | null) => void,
): void {
  program
    .command('test')
    .description('run the table tests beside policies (shop.yaml has shop.test.yaml)')
    .argument('<policies...>', 'the policy files')
    .option('--json', 'for programs')
    .action(async (files: string[], { json = false }: { json?: boolean }) => {
      const { testPolicies } = await import('./policy-files.ts')
      finish(testPolicies(parts, files, { json }))
    })
}

/** @param policy the command group they belong to */
export function addPolicyFiles(policy: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  policy
    .command('convert')
    .description("print a policy in Holdpoint's own spelling; it decides every call as before")
    .argument('<file>', 'in any spelling')
    .action(async (file: string) => {
      const { convertPolicy } = await import('./policy-files.ts')
      finish(convertPolicy(parts, file))
    })
  policy
    .command('schema')
    .description('print the JSON Schema of policies, for editors')
    .option('--tests', 'of the table tests beside policies')
    .action(async ({ tests = false }: { tests?: boolean }) => {
      const { printPolicySchema } = await import('./policy-files.ts')
      finish(printPolicySchema(parts, { tests }))
    })
}
