/** `slack` and `doctor`: making the app in Slack, and finding out what its set-up lacks. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

export function addSlack(program: Command, parts: Parts, finish: (code: ExitCode | null) => void): void {
  const slack = program.command('slack').description('ask people in Slack')
  slack
    .command('manifest')
    .description('print the manifest of the app to make at https://api.slack.com/apps')
    .action(async () => {
      const { printManifest } = await import('./slack.ts')
      finish(await printManifest(parts))
    })

  const doctor = program.command('doctor').description('find out what a set-up lacks, and how to mend it')
  doctor
    .command('slack')
    .description('ask Slack itself, with a test card that disappears again')
    .option('--json', 'for programs')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { doctorSlack } = await import('./doctor.ts')
      finish(await doctorSlack(parts, { json }))
    })
}
