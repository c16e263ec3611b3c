/** `holdpoint <command>`: which commands there are and what they take. Each loads its code only when it is used. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { ExitCode } from './io.ts'
import type { DemoOptions, Parts } from './parts.ts'

const statusNames = ['pending', 'approved', 'executing', 'settled'] as const
type StatusName = (typeof statusNames)[number]

/** @returns the exit code, or `null` where the process goes on by itself */
export async function run(args: readonly string[], parts: Parts): Promise<ExitCode | null> {
  let code: ExitCode | null = 0
  const program = createProgram(parts, (outcome) => {
    code = outcome
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    // Commander has written its sentence already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

function createProgram(parts: Parts, finish: (code: ExitCode | null) => void): Command {
  const { io } = parts
  const program = new Command('holdpoint')
    .description(
      'Lets safe MCP tool calls pass, refuses forbidden ones, and holds critical ones until a person decides.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    })
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false })
    .showHelpAfterError('(--help says how it is used)')
    .addHelpText(
      'after',
      `
Environment:
  HOLDPOINT_URL     the gateway that \`approvals\` talks to (http://127.0.0.1:8484)
  HOLDPOINT_TOKEN   your personal token (\`holdpoint people token <id>\`)
  HOLDPOINT_CONFIG  the configuration file (holdpoint.yaml)

Exit codes: 0 done, 1 refused or failed, 2 used or configured wrongly.`,
    )

  program
    .command('start')
    .description('run the gateway with every role in one process')
    .action(async () => {
      await parts.start()
      finish(null)
    })
  program
    .command('demo')
    .description('let an agent call a critical tool on a sample server, and decide about it')
    .addOption(
      new Option('--decide <how>', 'decide unattended').choices(['approve', 'deny', 'timeout'] as const),
    )
    .action(async ({ decide }: { decide?: NonNullable<DemoOptions['decide']> }) =>
      finish(await parts.demo({ decide: decide ?? null })),
    )
  program
    .command('validate')
    .description('check configuration and policies, and say what they mean')
    .argument('[file]', 'instead of HOLDPOINT_CONFIG or holdpoint.yaml')
    .option('--json', 'for programs')
    .action(async (file: string | undefined, { json = false }: Json) => {
      const { validate } = await import('./validate.ts')
      finish(validate(parts, { file: file ?? null, json }))
    })
  addApprovals(program, parts, finish)
  addAgents(program, parts, finish)
  addPeople(program, parts, finish)
  return program
}

interface Json {
  json?: boolean
}
interface Reason extends Json {
  reason?: string
}
type Finish = (code: ExitCode) => void

function addApprovals(program: Command, parts: Parts, finish: Finish): void {
  const approvals = program.command('approvals').description('look at what waits, and decide')
  const ticket = 'a ticket such as HP-7K2M9Q4T0X, or the beginning of one'

  approvals
    .command('list')
    .description('the open ones, newest first')
    .addOption(
      new Option('--status <status...>', 'only these')
        .choices(statusNames)
        .default(['pending', 'approved', 'executing']),
    )
    .option('--all', 'settled ones too')
    .option('--limit <n>', 'rows', toLimit, 50)
    .option('--after <ticket>', 'the page after this one')
    .option('--json', 'for programs')
    .action(
      async (
        options: Json & { status: readonly StatusName[]; all?: boolean; limit: number; after?: string },
      ) => {
        const { listApprovals } = await import('./approvals-read.ts')
        const { limit, after = null, json = false } = options
        const status = options.all === true ? statusNames : options.status
        finish(await listApprovals(parts, { status, limit, after, json }))
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
    .option('--reason <text>', 'for the audit')
    .option('--json', 'for programs')
    .action(async (typed: string, options: Reason & { yes?: boolean; digest?: string }) => {
      const { approve } = await import('./approvals-decide.ts')
      const { yes = false, digest = null, reason = null, json = false } = options
      finish(await approve(parts, typed, { yes, digest, reason, json }))
    })
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

function addAgents(program: Command, parts: Parts, finish: Finish): void {
  const agents = program.command('agents').description('the programs that call, and their tokens')
  agents
    .command('add')
    .description('make a token for an agent; it is shown once')
    .argument('<name>', 'as in holdpoint.yaml, or a new name')
    .option('--owner <person>', 'who answers for it, where the configuration does not say')
    .option('--json', 'for programs')
    .action(async (name: string, { owner, json = false }: Json & { owner?: string }) => {
      const { addAgent } = await import('./agents.ts')
      finish(await addAgent(parts, name, { owner: owner ?? null, json }))
    })
  agents
    .command('list')
    .description('agents, their owners and tokens')
    .option('--json', 'for programs')
    .action(async ({ json = false }: Json) => {
      const { listAgents } = await import('./agents.ts')
      finish(await listAgents(parts, { json }))
    })
  agents
    .command('revoke')
    .description('revoke every token of an agent')
    .argument('<name>')
    .option('--json', 'for programs')
    .action(async (name: string, { json = false }: Json) => {
      const { revokeAgent } = await import('./agents.ts')
      finish(await revokeAgent(parts, name, { json }))
    })
}

function addPeople(program: Command, parts: Parts, finish: Finish): void {
  const people = program.command('people').description('those who decide, and their personal tokens')
  people
    .command('list')
    .description('people, their groups and tokens')
    .option('--json', 'for programs')
    .action(async ({ json = false }: Json) => {
      const { listPeople } = await import('./people.ts')
      finish(await listPeople(parts, { json }))
    })
  people
    .command('token')
    .description('make a personal token; it is shown once')
    .argument('<id>', 'as in holdpoint.yaml')
    .option('--json', 'for programs')
    .action(async (id: string, { json = false }: Json) => {
      const { personToken } = await import('./people.ts')
      finish(await personToken(parts, id, { json }))
    })
  people
    .command('revoke')
    .description('revoke every token of a person')
    .argument('<id>')
    .option('--json', 'for programs')
    .action(async (id: string, { json = false }: Json) => {
      const { revokePerson } = await import('./people.ts')
      finish(await revokePerson(parts, id, { json }))
    })
}

function toLimit(text: string): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw new InvalidArgumentError('1 to 100 rows.')
  return limit
}
