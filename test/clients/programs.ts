/** Clients that are programs of their own: MCP Inspector's command line, mcp-remote, and an agent's tools by the AI SDK. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import {
  type Call,
  callByCall,
  LIMIT_MS,
  LIMIT_S,
  type RealClient,
  shownError,
  shownText,
  type Where,
} from './client.ts'
import { connectV2 } from './sdk.ts'
import { installedVersion, suite } from './versions.ts'

const launcher = join(suite, '@modelcontextprotocol/inspector/clients/launcher/build/index.js')

/** Nothing of this machine's user: neither settings nor logins. */
const ownHome = ({ directory }: Where) => ({ PATH: process.env.PATH ?? '', HOME: directory })

const inspector = (protocolEra: 'legacy' | 'modern') => async (where: Where) => {
  const config = join(where.directory, 'mcp.json')
  const headers = where.token === null ? {} : { headers: { Authorization: `Bearer ${where.token}` } }
  const server = {
    type: 'streamable-http',
    url: where.url,
    ...headers,
    requestTimeout: LIMIT_MS,
    protocolEra,
  }
  writeFileSync(config, JSON.stringify({ mcpServers: { pay: server } }))
  const ask = ['--cli', '--config', config, '--server', 'pay', '--format', 'json', '--quiet']
  async function call({ tool, args }: Call): Promise<string> {
    const what = ['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)]
    const { stdout, stderr } = await finished([launcher, ...ask, ...what], ownHome(where))
    try {
      return shownText(JSON.parse(stdout).result)
    } catch {
      return `error: ${stderr}${stdout}`
    }
  }
  return callByCall(call, async () => {})
}

/** Its exit code says only whether the tool succeeded. */
function finished(args: readonly string[], env: Record<string, string>) {
  return new Promise<{ stdout: string; stderr: string }>((done) => {
    execFile(process.execPath, args, { env }, (_error, stdout, stderr) => done({ stdout, stderr }))
  })
}

/** Between a client that starts commands, here the SDK's, and the gateway. */
const mcpRemote = async (where: Where) => {
  const header = where.token === null ? [] : ['--header', `Authorization: Bearer ${where.token}`]
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(suite, 'mcp-remote/dist/proxy.js'), where.url, ...header, '--body-timeout', String(LIMIT_S)],
    env: ownHome(where),
    stderr: 'ignore',
  })
  const client = await connectV2(transport, null)
  const options = { timeout: LIMIT_MS, resetTimeoutOnProgress: true, onprogress: () => {} }
  const call = ({ tool, args }: Call) =>
    client.callTool({ name: tool, arguments: args }, options).then(shownText, shownError)
  return callByCall(call, () => client.close())
}

const aiSdk = (by: 'tool' | 'call') => async (where: Where) => {
  const program = join(import.meta.dirname, 'suite/ai-sdk.mjs')
  const env = { ...ownHome(where), ...(where.token === null ? {} : { TOKEN: where.token }) }
  const child = spawn(process.execPath, [program, where.url, String(LIMIT_MS), by], { env })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const errors = errorsOf(child)
  async function call(call: Call): Promise<string> {
    child.stdin.write(`${JSON.stringify(call)}\n`)
    const line = await answers.next()
    if (line.done === true) throw new Error(`the driver of the AI SDK ended: ${errors()}`)
    return String(JSON.parse(line.value).text)
  }
  return callByCall(call, async () => {
    child.kill()
  })
}

function errorsOf(child: ChildProcessWithoutNullStreams) {
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  return () => said
}

/** Its command line takes the 60 s of the SDK, whatever `requestTimeout` its configuration has. */
const INSPECTOR_MS = 60_000

const aiSdkVersion = installedVersion('@ai-sdk/mcp', suite)
const inspectorVersion = installedVersion('@modelcontextprotocol/inspector', suite)

export const programs: readonly RealClient[] = [
  {
    name: 'inspector',
    version: inspectorVersion,
    limit: 'none to set',
    limitMs: INSPECTOR_MS,
    hold: '50s',
    way: 'ticket',
    connect: inspector('legacy'),
  },
  {
    name: 'inspector-modern',
    version: inspectorVersion,
    limit: 'none to set',
    limitMs: INSPECTOR_MS,
    way: 'task',
    connect: inspector('modern'),
  },
  {
    name: 'mcp-remote',
    version: installedVersion('mcp-remote', suite),
    limit: "--body-timeout, and its client's timeout",
    limitMs: LIMIT_MS,
    hold: '2m',
    way: 'held',
    connect: mcpRemote,
  },
  {
    name: 'ai-sdk',
    version: aiSdkVersion,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    way: 'rounds',
    connect: aiSdk('call'),
  },
  {
    name: 'ai-sdk-tool',
    version: aiSdkVersion,
    limit: 'abortSignal of the tool',
    limitMs: LIMIT_MS,
    way: 'repeats',
    connect: aiSdk('tool'),
  },
]
