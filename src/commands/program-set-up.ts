/** `holdpoint set-up`: what it takes. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface SetUp {
  accept?: boolean
  digest?: string
  write?: string
  json?: boolean
}

export function addSetUp(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  program
    .command('set-up')
    .description('look at the policy that is proposed for a server without one, and accept it')
    .argument('[server]', 'without one: the servers that wait for a policy')
    .option('--accept', 'put it in force, after it was shown')
    .option('--digest <digest>', 'with --accept: exactly this one, without being asked')
    .option('--write <file>', 'write it to a file, to change it there')
    .option('--json', 'for programs')
    .action(async (server: string | undefined, options: SetUp) => {
      const { listSetUps, setUp } = await import('./set-up.ts')
      const { accept = false, digest = null, write = null, json = false } = options
      if (server === undefined) finish(await listSetUps(parts, json))
      else finish(await setUp(parts, server, { accept, digest, write, json }))
    })
}
