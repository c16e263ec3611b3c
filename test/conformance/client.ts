/**
 * The client that the suite's client scenarios watch: a real SDK client that lists the tools and calls each, straight to the
 * suite's server or, with HOLDPOINT_PLACE set, through a gateway of its own in front of it.
 */
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernHttp,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { startGateway } from './processes.ts'

const info = { name: 'conformance-client', version: '1.0.0' }
const accepted = { action: 'accept' as const, content: {} }

interface Called {
  readonly name: string
  readonly arguments: Record<string, unknown>
}
interface Listed {
  readonly name: string
  readonly inputSchema: {
    readonly properties?: Readonly<Record<string, unknown>> | undefined
    readonly required?: readonly string[] | undefined
  }
}

const {
  HOLDPOINT_PLACE,
  MCP_CONFORMANCE_CONTEXT,
  MCP_CONFORMANCE_PROTOCOL_VERSION,
  MCP_CONFORMANCE_SCENARIO,
} = process.env
// Each scenario is another server: the tools of one that is known already would be new to it, and so asked about.
const server = `${MCP_CONFORMANCE_SCENARIO ?? 'up'}-${MCP_CONFORMANCE_PROTOCOL_VERSION ?? ''}`
const upstream = process.argv[2] ?? ''
const gateway =
  HOLDPOINT_PLACE === undefined ? null : await startGateway(HOLDPOINT_PLACE, { [server]: { url: upstream } })
const url = new URL(gateway === null ? upstream : `${gateway.url}/mcp/${server}`)
try {
  await (MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28' ? modern() : legacy())
} finally {
  await gateway?.stop()
}

async function legacy() {
  const client = new LegacyClient(info, { capabilities: { elicitation: { form: { applyDefaults: true } } } })
  client.setRequestHandler(ElicitRequestSchema, async () => accepted)
  await client.connect(new LegacyHttp(url))
  const { tools } = await client.listTools()
  for (const call of callsOf(tools)) await tolerate(client.callTool({ ...call }))
  await client.close()
}

async function modern() {
  const client = new ModernClient(info, {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode: { pin: '2026-07-28' } },
  })
  client.setRequestHandler('elicitation/create', async () => accepted)
  await client.connect(new ModernHttp(url))
  const { tools } = await client.listTools()
  for (const call of callsOf(tools)) await tolerate(client.callTool({ ...call }))
  for (const method of ['resources/list', 'prompts/list'] as const) await tolerate(client.request({ method }))
  await client.close()
}

/** The calls that the scenario names, or every tool with something in each required argument. */
function callsOf(tools: readonly Listed[]): readonly Called[] {
  const context = JSON.parse(MCP_CONFORMANCE_CONTEXT ?? '{}')
  if (Array.isArray(context.toolCalls)) return context.toolCalls
  return tools.map(({ name, inputSchema: { properties = {}, required = [] } }) => ({
    name,
    arguments: Object.fromEntries(required.map((key) => [key, sampleOf(key, properties[key], tools)])),
  }))
}

/** Where a schema is wanted, the one that came with the first tool: it must have arrived whole. */
function sampleOf(key: string, schema: unknown, [first]: readonly Listed[]): unknown {
  if (key === 'schema') return first?.inputSchema
  const type = typeof schema === 'object' && schema !== null && 'type' in schema ? schema.type : null
  if (type === 'number' || type === 'integer') return 5
  if (type === 'boolean') return true
  return 'text'
}

/** A scenario may answer with errors; what counts is what the suite's server saw. */
async function tolerate(request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => console.error(String(error)))
}
