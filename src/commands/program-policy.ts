/** `holdpoint policy …`: what its commands take. */
import { type Command, InvalidArgumentError } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { addPolicyFiles } from './program-policy-files.ts'

interface Json {
  json?: boolean
}
interface Changing extends Json {
  yes?: boolean
}

export function addPolicy(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const policy = program
    .command('policy')
    .description('look at the policy in force and every earlier one, and put another one in force')
  const server = 'a server of holdpoint.yaml'
  const number = 'the number of a revision'

  policy
    .command('list')
    .description('every revision that was in force: who put it there, when')
    .argument('<server>', server)
    .option('--json', 'for programs')
    .action(async (name: string, { json = false }: Json) => {
      const { listRevisions } = await import('./policy-read.ts')
      finish(await listRevisions(parts, name, json))
    })
  policy
    .command('show')
    .description('the text of one revision, as it was written')
    .argument('<server>', server)
    .argument('[number]', `${number}; otherwise the one in force`, toNumber)
    .option('--json', 'for programs')
    .action(async (name: string, which: number | undefined, { json = false }: Json) => {
      const { showRevision } = await import('./policy-read.ts')
      finish(await showRevision(parts, name, which ?? null, json))
    })
  policy
    .command('diff')
    .description('what one revision changes about another')
    .argument('<server>', server)
    .argument('<from>', number, toNumber)
    .argument('[to]', `${number}; otherwise the one in force`, toNumber)
    .action(async (name: string, from: number, to: number | undefined) => {
      const { diffRevisions } = await import('./policy-read.ts')
      finish(await diffRevisions(parts, name, from, to ?? null))
    })
  policy
    .command('apply')
    .description('show what a policy file would do to the calls that wait, ask, and put it in force')
    .argument('<file>', 'the policy file')
    .requiredOption('--server <name>', server)
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--json', 'for programs')
    .action(async (file: string, options: Changing & { server: string }) => {
      const { applyPolicy } = await import('./policy-put.ts')
      const { yes = false, json = false } = options
      finish(await applyPolicy(parts, options.server, file, { yes, json }))
    })
  policy
    .command('rollback')
    .description('bring an earlier revision back, with the approvers that were in force with it')
    .argument('<server>', server)
    .argument('[number]', `${number}; otherwise the one before`, toNumber)
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--json', 'for programs')
    .action(async (name: string, which: number | undefined, { yes = false, json = false }: Changing) => {
      const { rollbackPolicy } = await import('./policy-put.ts')
      finish(await rollbackPolicy(parts, name, which ?? null, { yes, json }))
    })
  addPolicyFiles(policy, parts, finish)
}

function toNumber(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('A revision is a number from 1.')
  return number
}
