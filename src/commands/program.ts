/** `holdpoint <command>`: which commands there are and what they take. Each loads its code only when it is used. */
import { Command, CommanderError, Option } from 'commander'
import { packageVersion } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import type { ExitCode } from './io.ts'
import type { DemoOptions, Parts } from './parts.ts'
import { addAccounts } from './program-accounts.ts'
import { addApprovals } from './program-approvals.ts'
import { addDecisions, addSimulate, addSuggest } from './program-decisions.ts'
import { addGrants } from './program-grants.ts'
import { addPolicy } from './program-policy.ts'
import { addPolicyTests } from './program-policy-files.ts'
import { addScan } from './program-scan.ts'
import { addSetUp } from './program-set-up.ts'
import { addSlack } from './program-slack.ts'
import { addStops } from './program-stops.ts'
import { addAgents, addPeople } from './program-tokens.ts'
import { addTools } from './program-tools.ts'

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

const startVariables = `
Environment, all of it optional:
  HOST, PORT            where to listen (127.0.0.1, 8484)
  HOLDPOINT_CONFIG      the configuration file (holdpoint.yaml, if it is there)
  HOLDPOINT_DATA        embedded database and sample state (.holdpoint beside the file)
  HOLDPOINT_PUBLIC_URL  how browsers and clients reach this gateway from elsewhere
  HOLDPOINT_ROLES       what this process does (gateway,approvals,deliveries)
  DATABASE_URL          your own PostgreSQL, instead of the embedded one
  REDIS_URL             your own Redis, instead of a queue in PostgreSQL
  HOLDPOINT_ACCOUNTS_KEY seals connected accounts: 32 bytes in base64 (a file in the data directory)
  LOG_LEVEL             trace, debug, info, warn, error, fatal or silent (info)
  SLACK_BOT_TOKEN       posts cards in Slack (xoxb-…)
  SLACK_APP_TOKEN       takes clicks over Socket Mode (xapp-…)
  SLACK_SIGNING_SECRET  takes clicks over HTTP, at /slack/events
  SLACK_API_URL         another address of Slack's Web API
and what holdpoint.yaml refers to as \${NAME}.`

function createProgram(parts: Parts, finish: (code: ExitCode | null) => void): Command {
  const { io } = parts
  const program = new Command('holdpoint')
    .description(
      'Lets safe MCP tool calls pass, refuses forbidden ones, and holds critical ones until a person decides.',
    )
    .version(packageVersion())
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
  HOLDPOINT_TOKEN   your personal token (\`${CLI} people token <id>\`)
  HOLDPOINT_CONFIG  the configuration file (holdpoint.yaml)

Exit codes: 0 done, 1 refused or failed, 2 used or configured wrongly.`,
    )

  program
    .command('start')
    .description('run the gateway with every role in one process')
    .addHelpText('after', startVariables)
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
    .action(async (file: string | undefined, { json = false }: { json?: boolean }) => {
      const { validate } = await import('./validate.ts')
      finish(validate(parts, { file: file ?? null, json }))
    })
  addScan(program, parts, finish)
  program
    .command('stdio')
    .description('speak MCP on standard input and output, for clients that only start commands')
    .argument('<server>', 'as in holdpoint.yaml')
    .addHelpText(
      'after',
      `
Environment:
  HOLDPOINT_URL          the gateway (http://127.0.0.1:8484)
  HOLDPOINT_AGENT_TOKEN  the token of the agent (\`${CLI} agents add <name>\`); without one, the agent of this machine`,
    )
    .action(async (server: string) => {
      const { stdio } = await import('./stdio.ts')
      finish(await stdio(parts, server))
    })
  addPolicyTests(program, parts, finish)
  addApprovals(program, parts, finish)
  addPolicy(program, parts, finish)
  addSetUp(program, parts, finish)
  addTools(program, parts, finish)
  addDecisions(program, parts, finish)
  addStops(program, parts, finish)
  addGrants(program, parts, finish)
  addSimulate(program, parts, finish)
  addSuggest(program, parts, finish)
  addAgents(program, parts, finish)
  addPeople(program, parts, finish)
  addAccounts(program, parts, finish)
  addSlack(program, parts, finish)
  return program
}
