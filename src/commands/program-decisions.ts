/** `holdpoint decisions …`: what its commands take. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { durationMs } from '../config.ts'
import { type RecordedKind, recordedKinds } from '../domain/recorded-verdict.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface ListFlags {
  since: number
  server?: string
  agent?: string
  verdict?: RecordedKind
  limit: number
  before?: number
  tried?: boolean
  json?: boolean
}

export function addDecisions(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const decisions = program
    .command('decisions')
    .description('look at what the policies said about every call, also about those that passed')
  decisions
    .command('list')
    .description('newest first; with the token of an operator or an approver those of all agents')
    .option('--since <duration>', 'how far back, as 90m, 12h or 7d', toSince, toSince('7d'))
    .option('--server <name>', 'only calls to this server')
    .option('--agent <name>', 'only calls of this agent')
    .addOption(new Option('--verdict <verdict>', 'only these').choices(recordedKinds))
    .option('--tried', 'only where rules in shadow would have said something else')
    .option('--limit <n>', 'rows, at most 100', toCount, 50)
    .option('--before <id>', 'the page after this line', toCount)
    .option('--json', 'for programs')
    .action(async (flags: ListFlags) => {
      const { listDecisions } = await import('./decisions.ts')
      const {
        since,
        limit,
        server = null,
        agent = null,
        verdict = null,
        before = null,
        tried = false,
      } = flags
      const filter = { sinceMs: since, server, agent, verdict, isTried: tried, limit, before }
      finish(await listDecisions(parts, filter, flags.json ?? false))
    })
}

interface SimulateFlags {
  policy: string
  server: string
  since: number
  budgetPerPersonPerDay?: number
  json?: boolean
}

export function addSimulate(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  program
    .command('simulate')
    .description('try a policy on the calls of the last days: what it would deny, ask and let pass')
    .requiredOption('--policy <file>', 'the policy file')
    .requiredOption('--server <name>', 'a server of holdpoint.yaml')
    .option('--since <duration>', 'how far back, as 12h or 7d', toSince, toSince('7d'))
    .option('--budget-per-person-per-day <n>', 'fail if somebody would be asked more often', toBudget)
    .option('--json', 'for programs')
    .action(async (flags: SimulateFlags) => {
      const { simulatePolicy } = await import('./simulate.ts')
      const { policy, server, since, budgetPerPersonPerDay: budget = null, json = false } = flags
      finish(await simulatePolicy(parts, server, policy, { spanMs: since, budget, json }))
    })
}

interface SuggestFlags {
  server: string
  since: number
  minDecisions: number
  minPeople: number
  json?: boolean
}

export function addSuggest(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  program
    .command('suggest')
    .description(
      'propose rules from what people always decided alike, as a diff of the policy; changes nothing',
    )
    .requiredOption('--server <name>', 'a server of holdpoint.yaml')
    .option('--since <duration>', 'how far back, as 30d', toSince, toSince('90d'))
    .option('--min-decisions <n>', 'so many alike, at least 3', toCount, 5)
    .option('--min-people <n>', 'by so many people, at least 2', toCount, 2)
    .option('--json', 'for programs')
    .action(async ({ server, since, minDecisions, minPeople, json = false }: SuggestFlags) => {
      const { suggestRules } = await import('./suggest.ts')
      const wish = { spanMs: since, decisionsMin: minDecisions, peopleMin: minPeople, json }
      finish(await suggestRules(parts, server, wish))
    })
}

function toBudget(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number) || number < 0)
    throw new InvalidArgumentError('This is a number from 0.')
  return number
}

/** Milliseconds. */
function toSince(text: string): number {
  const ms = durationMs(text)
  if (!(ms > 0)) throw new InvalidArgumentError('Write a number and a unit, as 90m, 12h or 7d.')
  return ms
}

function toCount(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('This is a number from 1.')
  return number
}
