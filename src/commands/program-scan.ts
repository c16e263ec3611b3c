/** `holdpoint scan`: its place among the commands. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface Flags {
  readonly server?: string
  readonly json?: boolean
  readonly yes?: boolean
  readonly trust?: boolean
  readonly writePolicy?: string
  readonly explain?: string
}

export function addScan(program: Command, parts: Parts, finish: (code: ExitCode | null) => void): void {
  program
    .command('scan')
    .description('list everything that agents can call, with its risk and the evidence')
    .argument(
      '[target]',
      'a server of holdpoint.yaml, claude-code, cursor, vscode, a file, or an https address',
    )
    .option('--server <name>', 'of the servers found, only this one')
    .option('--write-policy <file>', 'write a policy: reading passes, everything else asks')
    .option('--explain <tool>', 'all evidence for one tool, the attacks that use such access, related tools')
    .option('--trust', 'believe what the servers say in annotations')
    .option('--yes', 'start programs without asking; they are shown first')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
A server that is a program has to be started to be asked. It runs with your rights, so its whole command is shown first.
A file may be a client's configuration (.mcp.json, ~/.claude.json, .cursor/mcp.json, .vscode/mcp.json) or a saved answer
to tools/list, which is scanned without starting anything.`,
    )
    .action(async (target: string | undefined, flags: Flags) => {
      const { scan } = await import('./scan.ts')
      const code = await scan(parts, {
        target: target ?? null,
        only: flags.server ?? null,
        json: flags.json ?? false,
        yes: flags.yes ?? false,
        trust: flags.trust ?? false,
        writePolicy: flags.writePolicy ?? null,
        explain: flags.explain ?? null,
      })
      finish(code)
    })
}
