/** `holdpoint grants …`: what its commands take. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface Json {
  json?: boolean
}

export function addGrants(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const ticket = 'the ticket of the approval that it was given with, or the beginning of it'
  const grants = program.command('grants').description('what is allowed beyond single calls, and its end')
  grants
    .command('list', { isDefault: true })
    .description('those that stand, with their uses, newest first')
    .option('--all', 'also those that are over')
    .option('--json', 'for programs')
    .action(async ({ all = false, json = false }: Json & { all?: boolean }) => {
      const { listGrants } = await import('./grants.ts')
      finish(await listGrants(parts, { all, json }))
    })
  grants
    .command('show')
    .description('one grant, and what it covered')
    .argument('<ticket>', ticket)
    .option('--json', 'for programs')
    .action(async (typed: string, { json = false }: Json) => {
      const { showGrant } = await import('./grants.ts')
      finish(await showGrant(parts, typed, json))
    })
  grants
    .command('revoke')
    .description('end it: nothing begins under it any more')
    .argument('<ticket>', ticket)
    .option('--reason <text>', 'for the audit')
    .option('--json', 'for programs')
    .action(async (typed: string, { reason, json = false }: Json & { reason?: string }) => {
      const { revokeGrant } = await import('./grants.ts')
      finish(await revokeGrant(parts, typed, { reason: reason ?? null, json }))
    })
}
