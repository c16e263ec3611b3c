/** What somebody new does: starts the gateway, and runs the lines that it prints for each client, word for word. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { startLoneGateway } from '../support/lone-gateway.ts'
import { claude } from './claude-code.ts'
import { runIn } from './run-in.ts'
import { openV2 } from './sdk.ts'

export interface Step {
  readonly what: string
  /** `null`: it went as it should. */
  readonly complaint: string | null
}

/** @param agentLines what `holdpoint agents add` printed, where tokens are asked for */
export async function tryAsNewcomer(directory: () => string, agentLines: string): Promise<Step[]> {
  const gateway = await startLoneGateway(directory(), null)
  try {
    const banner = await gateway.said(/To decide[\s\S]*/).then(() => gateway.output())
    return [
      ...(await linesOf('npm start', banner, directory)),
      ...(await linesOf('agents add', agentLines, directory)),
      await strangerIsKeptOut(agentLines, directory()),
    ]
  } finally {
    await gateway.stop()
  }
}

async function linesOf(source: string, printed: string, directory: () => string): Promise<Step[]> {
  return [
    { what: `${source}: Claude Code`, complaint: await connectClaude(printed, directory()) },
    { what: `${source}: Cursor`, complaint: await connectAsCursor(printed) },
    { what: `${source}: VS Code`, complaint: await connectAsCode(printed) },
  ]
}

async function connectClaude(printed: string, directory: string): Promise<string | null> {
  const line = /Claude Code\s+(claude mcp add .*)/.exec(printed)?.[1]
  if (line === undefined) return 'no line for Claude Code'
  // Where a shell finds `claude`.
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  symlinkSync(claude, join(bin, 'claude'))
  const env = { PATH: `${bin}:${process.env.PATH ?? ''}` }
  const added = await runIn(directory, ['/bin/sh', '-c', line], env)
  if (!added.ok) return `${line}: ${added.text}`
  const listed = await runIn(directory, ['/bin/sh', '-c', 'claude mcp list'], env)
  return /✔ Connected/.test(listed.text) ? null : listed.text
}

/** A token that nobody has: `claude mcp list` must not call that connected. */
async function strangerIsKeptOut(printed: string, directory: string): Promise<Step> {
  const what = 'with a wrong token: Claude Code'
  const complaint = await connectClaude(printed.replaceAll(/hpa_[\w-]+/g, `hpa_${'A'.repeat(43)}`), directory)
  return { what, complaint: complaint === null ? 'is connected' : null }
}

const Headers = z.record(z.string(), z.string()).default({})
const CursorFile = z.object({
  mcpServers: z.record(z.string(), z.object({ url: z.string(), headers: Headers })),
})
const CodeServer = z.object({ url: z.string(), type: z.literal('http'), headers: Headers })

/** Neither program is in a package registry: what they would be told is used by the SDK that they use. */
async function connectAsCursor(printed: string): Promise<string | null> {
  const json = /Cursor\s+\.cursor\/mcp\.json: (\{.*\})/.exec(printed)?.[1]
  if (json === undefined) return 'no line for Cursor'
  const [server] = Object.values(CursorFile.parse(JSON.parse(json)).mcpServers)
  return server === undefined ? 'no server' : connects(server)
}

async function connectAsCode(printed: string): Promise<string | null> {
  const json = /VS Code\s+code --add-mcp '(\{.*\})'/.exec(printed)?.[1]
  return json === undefined ? 'no line for VS Code' : connects(CodeServer.parse(JSON.parse(json)))
}

async function connects({ url, headers }: { url: string; headers: Record<string, string> }) {
  const token = headers.Authorization?.replace('Bearer ', '') ?? null
  const client = await openV2({ url, token }, null)
  const { tools } = await client.listTools()
  await client.close()
  return tools.length > 0 ? null : 'no tools'
}
