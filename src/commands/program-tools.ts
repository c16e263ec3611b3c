/** `holdpoint tools …`: what its commands take. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

export function addTools(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const tools = program
    .command('tools')
    .description('look at tools that changed since they were accepted, and accept them')

  tools
    .command('list')
    .description('tools that wait to be accepted')
    .option('--server <name>', 'only of this server')
    .option('--all', 'accepted ones too')
    .option('--json', 'for programs')
    .action(
      async ({ server, all = false, json = false }: { server?: string; all?: boolean; json?: boolean }) => {
        const { listTools } = await import('./tools.ts')
        finish(await listTools(parts, { server: server ?? null, all, json }))
      },
    )
  tools
    .command('diff')
    .description('what changed about one tool')
    .argument('<server>')
    .argument('<tool>')
    .option('--json', 'for programs')
    .action(async (server: string, tool: string, { json = false }: { json?: boolean }) => {
      const { diffTool } = await import('./tools.ts')
      finish(await diffTool(parts, server, tool, { json }))
    })
  tools
    .command('accept')
    .description('take the definition that waits, after it was shown')
    .argument('<server>')
    .argument('<tool>')
    .option('--digest <digest>', 'exactly this one, without being asked')
    .option('--keep', 'keep what was accepted, and drop what waits')
    .action(
      async (server: string, tool: string, { digest, keep = false }: { digest?: string; keep?: boolean }) => {
        const { acceptTool } = await import('./tools.ts')
        finish(await acceptTool(parts, server, tool, { digest: digest ?? null, keep }))
      },
    )
}
