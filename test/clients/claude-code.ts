/** Claude Code, told of the server by its own `claude mcp add`: printing one answer, and in a terminal, where it has tasks. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { LIMIT_MS, type RealClient, type Where } from './client.ts'
import { anthropic } from './dialects.ts'
import { type Model, startModel } from './model.ts'
import { agent, SERVER } from './one-errand.ts'
import { runIn } from './run-in.ts'
import { installedVersion, suite } from './versions.ts'

export const claude = join(suite, '@anthropic-ai/claude-code/bin/claude.exe')
const TYPE_AGAIN_MS = 1_500
const PROMPT = '❯'

async function addToClaude({ url, token, directory }: Where) {
  const header = token === null ? [] : ['--header', `Authorization: Bearer ${token}`]
  const added = await runIn(directory, [claude, 'mcp', 'add', '--transport', 'http', SERVER, url, ...header])
  if (!added.ok) throw new Error(`claude mcp add: ${added.text}`)
}

const claudeSurroundings = (model: string, settings: Record<string, string>) => ({
  ANTHROPIC_BASE_URL: model,
  ANTHROPIC_API_KEY: 'none',
  DISABLE_AUTOUPDATER: '1',
  ...settings,
})

const claudeCode = (settings: Record<string, string>) =>
  agent(anthropic, async (where, model) => {
    await addToClaude(where)
    return {
      command: [claude, '-p', 'Run the errand.', '--allowedTools', `mcp__${SERVER}`],
      env: claudeSurroundings(model, settings),
    }
  })

/** What somebody answers at the first start: a theme, this directory is mine, use the key. */
function settle(directory: string) {
  const file = join(directory, '.claude.json')
  const settings = Settings.parse(JSON.parse(readFileSync(file, 'utf8')))
  const project = { ...settings.projects[directory], hasTrustDialogAccepted: true }
  const answered = {
    ...settings,
    hasCompletedOnboarding: true,
    theme: 'dark',
    customApiKeyResponses: { approved: ['none'], rejected: [] },
    projects: { ...settings.projects, [directory]: project },
  }
  writeFileSync(file, JSON.stringify(answered))
}

const Settings = z.looseObject({ projects: z.record(z.string(), z.looseObject({})) })

/** Types the errand until the model hears of it. `script`, which every Debian has, is the terminal. */
async function typeErrand(child: ReturnType<typeof startInTerminal>, model: Pick<Model<unknown>, 'isAsked'>) {
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
  })
  while (!shown.includes(PROMPT) && child.exitCode === null) await sleep(100)
  child.stdin.write('Run the errand.')
  while (!model.isAsked && child.exitCode === null) {
    await sleep(TYPE_AGAIN_MS)
    child.stdin.write('\r')
  }
}

function startInTerminal(directory: string, env: Record<string, string>) {
  const line = `stty cols 160 rows 50; exec "$CLAUDE" --allowedTools mcp__${SERVER}`
  const surroundings = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    TERM: 'xterm-256color',
    CLAUDE: claude,
  }
  return spawn('script', ['-qfec', line, '/dev/null'], {
    cwd: directory,
    env: { ...surroundings, ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

const claudeInTerminal =
  (settings: Record<string, string>): RealClient['connect'] =>
  async (where) => ({
    async run(errand) {
      const model = await startModel(anthropic, SERVER, errand)
      await addToClaude(where)
      settle(where.directory)
      const child = startInTerminal(where.directory, claudeSurroundings(model.origin, settings))
      const ended = new Promise<never>((_done, fail) => {
        child.once('error', fail)
        child.once('exit', (code) => fail(new Error(`claude ended with ${code} before its errand`)))
      })
      try {
        await Promise.race([typeErrand(child, model), ended])
        return await Promise.race([model.found, ended])
      } finally {
        child.kill()
        await model.close()
      }
    },
    close: async () => {},
  })

/** Its limit for calls without progress is set to 4 s, and looked at every 30 s. */
const CLAUDE_IDLE = 'CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT'
const CLAUDE_LOOKS_MS = 30_000

const claudeVersion = installedVersion('@anthropic-ai/claude-code', suite)
export const claudeCodes: readonly RealClient[] = [
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
    name: 'claude-code-interactive',
    version: claudeVersion,
    limit: 'MCP_TOOL_TIMEOUT',
    limitMs: LIMIT_MS,
    way: 'task',
    connect: claudeInTerminal({ MCP_TOOL_TIMEOUT: String(LIMIT_MS) }),
  },
  {
    name: 'claude-code-impatient',
    version: claudeVersion,
    limit: 'MCP_TOOL_TIMEOUT',
    limitMs: LIMIT_MS,
    way: 'repeats',
    connect: claudeCode({ MCP_TOOL_TIMEOUT: String(LIMIT_MS) }),
  },
]
