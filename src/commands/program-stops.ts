/** The kill switch: which commands there are and what they take. */
import { type Command, InvalidArgumentError } from 'commander'
import { CLI } from '../domain/command-line.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface Changing {
  all?: boolean
  yes?: boolean
  json?: boolean
}
interface Stopping extends Changing {
  agent?: string
  owner?: string
  server?: string
  tool?: string
  reason: string
}

export function addStops(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  program
    .command('stop')
    .description(
      'stop an agent, a server, a tool or everything, from the next call on, and cancel what waits',
    )
    .option('--agent <name>', 'every call of this agent')
    .option('--owner <person>', 'only of the agent that this person answers for')
    .option('--server <name>', 'every call to this server')
    .option('--tool <name>', 'only of this tool of the server')
    .option('--all', 'everything')
    .requiredOption('--reason <text>', 'why; the agents are told')
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--json', 'for programs')
    .action(async ({ all = false, yes = false, json = false, ...wish }: Stopping) => {
      const { stop } = await import('./stops.ts')
      finish(await stop(parts, { ...wish, isEverything: all }, { yes, json }))
    })
  program
    .command('resume')
    .description('lift a stop: the policy decides about its calls again')
    .argument('[stop]', `its number, as \`${CLI} stops list\` shows it`, toNumber)
    .option('--all', 'every stop')
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--json', 'for programs')
    .action(async (number: number | undefined, { all = false, yes = false, json = false }: Changing) => {
      if ((number === undefined) !== all) {
        parts.io.err('Give the number of a stop, or --all.')
        return finish(2)
      }
      const { resume } = await import('./stops.ts')
      finish(await resume(parts, number ?? null, { yes, json }))
    })
  program
    .command('stops')
    .description('look at what is stopped')
    .command('list')
    .description('what is stopped: by whom, since when, why')
    .option('--lifted', 'what was stopped before as well, newest first')
    .option('--json', 'for programs')
    .action(async ({ lifted = false, json = false }: { lifted?: boolean; json?: boolean }) => {
      const { listStops } = await import('./stops.ts')
      finish(await listStops(parts, lifted, json))
    })
}

function toNumber(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('A stop is a number from 1.')
  return number
}
