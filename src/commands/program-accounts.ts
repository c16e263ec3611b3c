/** `holdpoint accounts …`: what its commands take. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface Options {
  person: string
  json?: boolean
}

export function addAccounts(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const accounts = program.command('accounts').description('the accounts at servers that agents use')
  accounts
    .command('list')
    .description('which are connected, and whose they are')
    .option('--json', 'for programs')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { listAccounts } = await import('./accounts.ts')
      finish(await listAccounts(parts, { json }))
    })
  accounts
    .command('connect')
    .description('print where a person connects their account, in a browser')
    .argument('<server>', 'as in holdpoint.yaml')
    .requiredOption('--person <id>', 'whose agents are to use it')
    .option('--json', 'for programs')
    .action(async (server: string, { person, json = false }: Options) => {
      const { connectAccount } = await import('./accounts.ts')
      finish(await connectAccount(parts, server, { person, json }))
    })
  accounts
    .command('disconnect')
    .description('forget the tokens of an account')
    .argument('<server>')
    .requiredOption('--person <id>')
    .option('--json', 'for programs')
    .action(async (server: string, { person, json = false }: Options) => {
      const { disconnectAccount } = await import('./accounts.ts')
      finish(await disconnectAccount(parts, server, { person, json }))
    })
}
