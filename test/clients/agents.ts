/**
 * Real agents: Claude Code, Codex and Gemini CLI as npm has them, each in a home of its own, with a model on this machine that
 * needs no login. Everything but the model's mind is theirs: how they connect, call, wait, give up, and what they tell the model.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { claudeCodes } from './claude-code.ts'
import { LIMIT_MS, LIMIT_S, type RealClient } from './client.ts'
import { gemini, openai } from './dialects.ts'
import { agent, SERVER } from './one-errand.ts'
import { installedVersion, suite } from './versions.ts'

function write(file: string, text: string) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

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

const codexVersion = installedVersion('@openai/codex', suite)
const geminiVersion = installedVersion('@google/gemini-cli', suite)

export const agents: readonly RealClient[] = [
  ...claudeCodes,
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
