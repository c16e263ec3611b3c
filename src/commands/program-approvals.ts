/** `holdpoint approvals …`: what its commands take. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

const statusNames = ['pending', 'approved', 'executing', 'settled'] as const
type StatusName = (typeof statusNames)[number]

interface Json {
  json?: boolean
}
interface Reason extends Json {
  reason?: string
}

export function addApprovals(program: Command, parts: Parts, finish: (code: ExitCode) => void): void {
  const approvals = program.command('approvals').description('look at what waits, and decide')
  const ticket = 'a ticket such as HP-7K2M9Q4T0X, or the beginning of one'

  approvals
    .command('list')
    .description('the open ones, newest first')
    .addOption(
      new Option('--status <status...>', 'only these; otherwise all that are not settled').choices(
        statusNames,
      ),
    )
    .option('--all', 'settled ones too')
    .option('--mine', 'those of the agents you answer for, settled ones too')
    .option('--limit <n>', 'rows', toLimit, 50)
    .option('--after <ticket>', 'the page after this one')
    .option('--json', 'for programs')
    .action(
      async (
        options: Json & {
          status?: readonly StatusName[]
          all?: boolean
          mine?: boolean
          limit: number
          after?: string
        },
      ) => {
        const { listApprovals } = await import('./approvals-read.ts')
        const { limit, after = null, json = false } = options
        const { status = null, mine: isMine = false } = options
        const which = options.all === true ? 'all' : (status ?? (isMine ? 'all' : 'open'))
        finish(await listApprovals(parts, { which, isMine, limit, after, json }))
      },
    )
  approvals
    .command('show')
    .description('one approval in full, as an approver sees it')
    .argument('<ticket>', ticket)
    .option('--reply', "also the upstream's answer")
    .option('--json', 'for programs')
    .action(async (typed: string, { reply = false, json = false }: Json & { reply?: boolean }) => {
      const { showApproval } = await import('./approvals-read.ts')
      finish(await showApproval(parts, typed, { reply, json }))
    })
  approvals
    .command('approve')
    .description('show it, ask, and approve (or confirm) exactly what was shown')
    .argument('<ticket>', ticket)
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--digest <digits>', 'only if its digest begins like this (at least 12 digits)')
    .option('--reason <text>', 'for the audit; some rules ask for one')
    .option('--grant <uses>', 'allow so many more of such calls as well, where the rule lets you', toUses)
    .option('--grant-for <duration>', 'for so long, such as 30m; otherwise as long as the rule lets you')
    .option('--json', 'for programs')
    .action(
      async (
        typed: string,
        options: Reason & { yes?: boolean; digest?: string; grant?: number; grantFor?: string },
      ) => {
        const { approve } = await import('./approvals-decide.ts')
        const { yes = false, digest = null, reason = null, json = false } = options
        const { grant: uses, grantFor = null } = options
        if (uses === undefined && grantFor !== null) {
          parts.io.err('--grant-for says for how long; say with --grant how many more calls.')
          return finish(2)
        }
        const grant = uses === undefined ? null : { uses, for: grantFor }
        finish(await approve(parts, typed, { yes, digest, reason, json, grant }))
      },
    )
  approvals
    .command('deny')
    .description('say no; the agent is told, with the reason')
    .argument('<ticket>', ticket)
    .option('--reason <text>', 'what the agent and the audit are told')
    .option('--json', 'for programs')
    .action(async (typed: string, { reason, json = false }: Reason) => {
      const { deny } = await import('./approvals-decide.ts')
      finish(await deny(parts, typed, { reason: reason ?? null, json }))
    })
  approvals
    .command('take-back')
    .description('take your own yes back, while the rule still misses others')
    .argument('<ticket>', ticket)
    .option('--reason <text>', 'for the audit')
    .option('--json', 'for programs')
    .action(async (typed: string, { reason, json = false }: Reason) => {
      const { takeBack } = await import('./approvals-decide.ts')
      finish(await takeBack(parts, typed, { reason: reason ?? null, json }))
    })
  approvals
    .command('cancel')
    .description('withdraw it before it is sent')
    .argument('<ticket>', ticket)
    .option('--reason <text>', 'what the agent and the audit are told')
    .option('--json', 'for programs')
    .action(async (typed: string, { reason, json = false }: Reason) => {
      const { cancel } = await import('./approvals-decide.ts')
      finish(await cancel(parts, typed, { reason: reason ?? null, json }))
    })
  approvals
    .command('edit')
    .description('propose other arguments; everybody then decides about these, and the agent is told')
    .argument('<ticket>', ticket)
    .requiredOption(
      '--arguments <file>',
      'a file with the new arguments as a JSON object, or - for the input',
    )
    .option('--reason <text>', 'what the agent and the audit are told')
    .option('--json', 'for programs')
    .action(async (typed: string, options: Reason & { arguments: string }) => {
      const { edit } = await import('./approvals-change.ts')
      const { arguments: file, reason = null, json = false } = options
      finish(await edit(parts, typed, { file, reason, json }))
    })
  approvals
    .command('extend')
    .description('move the deadline for a decision to a later time')
    .argument('<ticket>', ticket)
    .option('--by <duration>', 'so much longer than now, such as 2h')
    .option('--until <time>', 'the new deadline, such as 2026-11-23T09:00+09:00')
    .option('--reason <text>', 'for the audit')
    .option('--json', 'for programs')
    .action(async (typed: string, options: Reason & { by?: string; until?: string }) => {
      const { extend } = await import('./approvals-change.ts')
      const { by = null, until = null, reason = null, json = false } = options
      finish(await extend(parts, typed, { by, until, reason, json }))
    })
  approvals
    .command('ask-again')
    .description('ask people anew about a call whose end nobody knows; it does not run by itself')
    .argument('<ticket>', ticket)
    .option('--reason <text>', 'for the audit')
    .option('--json', 'for programs')
    .action(async (typed: string, { reason, json = false }: Reason) => {
      const { askAgain } = await import('./approvals-decide.ts')
      finish(await askAgain(parts, typed, { reason: reason ?? null, json }))
    })
  approvals
    .command('annotate')
    .description('say what really happened to a call whose end nobody knows')
    .argument('<ticket>', ticket)
    .addOption(
      new Option('--finding <finding>', 'what you found out')
        .choices(['happened', 'did-not-happen'] as const)
        .makeOptionMandatory(),
    )
    .option('--note <text>', 'how you know')
    .option('--json', 'for programs')
    .action(
      async (typed: string, options: Json & { finding: 'happened' | 'did-not-happen'; note?: string }) => {
        const { annotate } = await import('./approvals-decide.ts')
        const { note = null, json = false } = options
        const finding = options.finding === 'happened' ? 'happened' : 'did_not_happen'
        finish(await annotate(parts, typed, { finding, note, json }))
      },
    )
}

function toUses(text: string): number {
  const uses = Number(text)
  if (!Number.isInteger(uses) || uses < 1) throw new InvalidArgumentError('A whole number from 1.')
  return uses
}

function toLimit(text: string): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw new InvalidArgumentError('1 to 100 rows.')
  return limit
}
