/**
 * Real agents: Claude Code, Codex and Gemini CLI as npm has them, each in a home of its own, with a model on this machine that
 * needs no login. Everything but the model's mind is theirs: how they connect, call, wait, give up, and what they tell the model.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LIMIT_MS, LIMIT_S, type RealClient, type Where } from './client.ts'
import { anthropic, type Dialect, gemini, openai } from './dialects.ts'
import { startModel } from './model.ts'
import { installedVersion, suite } from './versions.ts'

const SERVER = 'pay'
const PROGRAM_MS_MAX = 80_000
export const claude = join(suite, '@anthropic-ai/claude-code/bin/claude.exe')

interface Said {
  readonly ok: boolean
  readonly text: string
}

/** Runs a program to its end in the home and with nothing else of this machine's user. */
export function runIn(
  directory: string,
  [program = '', ...args]: readonly string[],
  env: Record<string, string> = {},
): Promise<Said> {
  const surroundings = { PATH: process.env.PATH ?? '', HOME: directory, ...env }
  return new Promise((done) => {
    const options = { cwd: directory, env: surroundings, timeout: PROGRAM_MS_MAX }
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      done({ ok: error === null, text: `${stdout}${stderr}` }),
    )
    child.stdin?.end()
  })
}

function write(file: string, text: string) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** @param start gives the command that does one errand, after whatever the agent has to be told before */
function agent(
  dialect: Dialect,
  start: (
    where: Where,
    model: string,
  ) => Promise<{ command: readonly string[]; env: Record<string, string> }>,
): RealClient['connect'] {
  return async (where) => ({
    async run(errand) {
      const model = await startModel(dialect, SERVER, errand)
      try {
        const { command, env } = await start(where, model.origin)
        const ended = runIn(where.directory, command, env).then(({ text }) => {
          throw new Error(`the agent ended before its errand: ${text.slice(-600)}`)
        })
        return await Promise.race([model.found, ended])
      } finally {
        await model.close()
      }
    },
    close: async () => {},
  })
}

const claudeCode = (settings: Record<string, string>) =>
  agent(anthropic, async ({ url, token, directory }, model) => {
    const header = token === null ? [] : ['--header', `Authorization: Bearer ${token}`]
    const added = await runIn(directory, [
      claude,
      'mcp',
      'add',
      '--transport',
      'http',
      SERVER,
      url,
      ...header,
    ])
    if (!added.ok) throw new Error(`claude mcp add: ${added.text}`)
    return {
      command: [claude, '-p', 'Run the errand.', '--allowedTools', `mcp__${SERVER}`],
      env: { ANTHROPIC_BASE_URL: model, ANTHROPIC_API_KEY: 'none', DISABLE_AUTOUPDATER: '1', ...settings },
    }
  })

const codex = agent(openai, async ({ url, token, directory }, model) => {
  const lines = [
    'model = "scripted"',
    'model_provider = "here"',
    '[model_providers.here]',
    'name = "here"',
    `base_url = "${model}/v1"`,
    'wire_api = "responses"',
    `[mcp_servers.${SERVER}]`,
    `url = "${url}"`,
    `tool_timeout_sec = ${LIMIT_S}`,
    ...(token === null ? [] : ['bearer_token_env_var = "AGENT_TOKEN"']),
  ]
  write(join(directory, '.codex/config.toml'), `${lines.join('\n')}\n`)
  const options = ['--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox']
  return {
    command: [
      process.execPath,
      join(suite, '@openai/codex/bin/codex.js'),
      'exec',
      ...options,
      'Run the errand.',
    ],
    env: token === null ? {} : { AGENT_TOKEN: token },
  }
})

const geminiCli = agent(gemini, async ({ url, token, directory }, model) => {
  const headers = token === null ? {} : { headers: { Authorization: `Bearer ${token}` } }
  const server = { httpUrl: url, ...headers, timeout: LIMIT_MS, trust: true }
  const settings = {
    security: { auth: { selectedType: 'gemini-api-key' } },
    privacy: { usageStatisticsEnabled: false },
    mcpServers: { [SERVER]: server },
  }
  write(join(directory, '.gemini/settings.json'), JSON.stringify(settings))
  const program = join(suite, '@google/gemini-cli/bundle/gemini.js')
  return {
    command: [process.execPath, program, '-m', 'gemini-2.5-pro', '--yolo', '-p', 'Run the errand.'],
    env: { GEMINI_API_KEY: 'none', GOOGLE_GEMINI_BASE_URL: model, GEMINI_CLI_TRUST_WORKSPACE: 'true' },
  }
})

/** Its limit for calls without progress is set to 4 s, and looked at every 30 s. */
const CLAUDE_IDLE = 'CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT'
const CLAUDE_LOOKS_MS = 30_000

const claudeVersion = installedVersion('@anthropic-ai/claude-code', suite)
const codexVersion = installedVersion('@openai/codex', suite)
const geminiVersion = installedVersion('@google/gemini-cli', suite)

export const agents: readonly RealClient[] = [
  {
    name: 'claude-code',
    version: claudeVersion,
    limit: CLAUDE_IDLE,
    limitMs: CLAUDE_LOOKS_MS,
    way: 'held',
    connect: claudeCode({ [CLAUDE_IDLE]: String(LIMIT_MS) }),
  },
  {
    name: 'claude-code-rounds',
    version: claudeVersion,
    limit: CLAUDE_IDLE,
    limitMs: CLAUDE_LOOKS_MS,
    hold: '5s',
    way: 'rounds',
    connect: claudeCode({ [CLAUDE_IDLE]: String(LIMIT_MS) }),
  },
  {
    name: 'claude-code-impatient',
    version: claudeVersion,
    limit: 'MCP_TOOL_TIMEOUT',
    limitMs: LIMIT_MS,
    way: 'repeats',
    connect: claudeCode({ MCP_TOOL_TIMEOUT: String(LIMIT_MS) }),
  },
  {
    name: 'codex',
    version: codexVersion,
    limit: 'tool_timeout_sec',
    limitMs: LIMIT_MS,
    hold: '2s',
    way: 'ticket',
    connect: codex,
  },
  {
    name: 'codex-impatient',
    version: codexVersion,
    limit: 'tool_timeout_sec',
    limitMs: LIMIT_MS,
    way: 'repeats',
    connect: codex,
  },
  {
    name: 'gemini-cli',
    version: geminiVersion,
    limit: 'timeout of the server',
    limitMs: LIMIT_MS,
    hold: '3s',
    way: 'ticket',
    connect: geminiCli,
  },
  {
    name: 'gemini-cli-impatient',
    version: geminiVersion,
    limit: 'timeout of the server',
    limitMs: LIMIT_MS,
    way: 'repeats',
    connect: geminiCli,
  },
]
