/** Scripted clients on the official SDKs, that write down everything they hear. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernHttp,
} from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport as LegacySse } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as LegacyTransport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { createRecorder, QUIET_MS } from './recorder.ts'

interface Calling {
  readonly meta?: Record<string, unknown>
  readonly hearsProgress?: boolean
  readonly leavesAfterMs?: number
}

export interface Connection {
  call(name: string, args: Record<string, unknown>, calling?: Calling): Promise<unknown>
  request(method: string, params: Record<string, unknown>): Promise<unknown>
  /** How many messages the server has said by itself since the last time. */
  told(): number
  /** Everything since the last time, once it is quiet. */
  heard(): Promise<unknown>
  close(): Promise<void>
}

export interface Step {
  readonly name: string
  /** What belongs to it comes by other ways than its answer. */
  readonly hasAftermath?: true
  run(client: Connection): Promise<unknown>
}

const info = { name: 'scripted', version: '1.0.0' }
const answers = {
  sampling: {
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'sampled' },
  },
  elicitation: {
    action: 'accept' as const,
    content: { name: 'Kim', ok: true, color: 'blue', context: 'test' },
  },
  roots: { roots: [{ uri: 'file:///tmp', name: 'tmp' }] },
}
/** Nothing of the fixture takes so long, on the slowest machine. */
const PATIENCE_MS = 60_000

/** The SDK wants a schema; this one hides nothing. */
const anything = {
  parse: (value: unknown) => value,
  safeParse: (data: unknown) => ({ success: true, data }),
}

/** @param isPipe whether it is compared with a pipe, which has no streams to tell apart */
export async function httpLegacy(url: string, isPipe = false, patienceMs = PATIENCE_MS): Promise<Connection> {
  const recorder = createRecorder()
  // The SDK declares `sessionId` optional in one place and `string | undefined` in the other.
  const transport = new LegacyHttp(new URL(url), { fetch: recorder.fetch }) as LegacyTransport
  return legacyOn(transport, isPipe ? nothing : recorder.heard, patienceMs)
}

export async function httpModern(url: string, isPipe = false, patienceMs = PATIENCE_MS): Promise<Connection> {
  const recorder = createRecorder()
  const transport = new ModernHttp(new URL(url), { fetch: recorder.fetch })
  return modernOn(transport, isPipe ? nothing : recorder.heard, patienceMs)
}

/** HTTP+SSE of 2024-11-05 has one stream for everything, as a pipe has. */
export const sseLegacy = (url: string): Promise<Connection> => legacyOn(new LegacySse(new URL(url)), nothing)

export const stdioLegacy = (command: string, args: readonly string[]): Promise<Connection> =>
  legacyOn(new LegacyStdio({ command, args: [...args], stderr: 'ignore' }), nothing)

export const stdioModern = (command: string, args: readonly string[]): Promise<Connection> =>
  modernOn(new ModernStdio({ command, args: [...args], stderr: 'ignore' }), nothing)

const nothing = async () => {
  await sleep(QUIET_MS)
  return null
}

async function legacyOn(
  transport: LegacyTransport,
  heard: () => Promise<unknown>,
  patienceMs = PATIENCE_MS,
): Promise<Connection> {
  const client = new LegacyClient(info, { capabilities: { sampling: {}, elicitation: {}, roots: {} } })
  const told: unknown[] = []
  client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
    told.push(params)
    return answers.sampling
  })
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    told.push(params)
    return answers.elicitation
  })
  client.setRequestHandler(ListRootsRequestSchema, async () => answers.roots)
  client.fallbackNotificationHandler = async (notification) => void told.push(notification)
  await client.connect(transport)
  const send = async (
    method: string,
    params: Record<string, unknown>,
    { hearsProgress, leavesAfterMs }: Calling = {},
  ) => {
    const progress: unknown[] = []
    const result = await client.request({ method, params }, anything as never, {
      timeout: patienceMs,
      ...(hearsProgress === true ? { onprogress: (report: unknown) => progress.push(report) } : {}),
      ...(leavesAfterMs === undefined ? {} : { signal: AbortSignal.timeout(leavesAfterMs) }),
    })
    // The last report may come in the same instant as the result, and is then dropped by the SDK.
    return { result, progress: progress.slice(0, 2) }
  }
  return {
    call: (name, args, calling = {}) =>
      send('tools/call', { name, arguments: args, ...(calling.meta && { _meta: calling.meta }) }, calling),
    request: send,
    told: () => told.length,
    heard: async () => ({ streams: await heard(), told: sorted(told.splice(0)) }),
    close: () => client.close(),
  }
}

async function modernOn(
  transport: ConstructorParameters<typeof ModernHttp> extends never
    ? never
    : Parameters<ModernClient['connect']>[0],
  heard: () => Promise<unknown>,
  patienceMs = PATIENCE_MS,
): Promise<Connection> {
  const client = new ModernClient(info, {
    capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
    versionNegotiation: { mode: { pin: '2026-07-28' } },
  })
  const told: unknown[] = []
  client.setRequestHandler('sampling/createMessage', async ({ params }) => {
    told.push(params)
    return answers.sampling
  })
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    told.push(params)
    return answers.elicitation
  })
  client.setRequestHandler('roots/list', async () => answers.roots)
  client.fallbackNotificationHandler = async (notification) => void told.push(notification)
  await client.connect(transport)
  return {
    async call(name, args, { meta, hearsProgress, leavesAfterMs } = {}) {
      const progress: unknown[] = []
      const result = await client.callTool(
        { name, arguments: args, ...(meta && { _meta: meta }) },
        {
          timeout: patienceMs,
          ...(hearsProgress === true ? { onprogress: (report: unknown) => progress.push(report) } : {}),
          ...(leavesAfterMs === undefined ? {} : { signal: AbortSignal.timeout(leavesAfterMs) }),
        },
      )
      return { result, progress: progress.slice(0, 2) }
    },
    request(method, params) {
      switch (method) {
        case 'tools/list':
          return client.listTools(params)
        case 'resources/list':
          return client.listResources(params)
        case 'resources/templates/list':
          return client.listResourceTemplates(params)
        case 'resources/read':
          return client.readResource({ uri: String(params.uri) })
        case 'prompts/list':
          return client.listPrompts(params)
        case 'prompts/get':
          return client.request({ method, params: { name: String(params.name), ...params } })
        case 'completion/complete':
          return client.request({ method, params } as never)
        case 'server/discover':
          return Promise.resolve(client.getDiscoverResult())
        default:
          throw new Error(`the script does not use ${method} in this era`)
      }
    },
    told: () => told.length,
    heard: async () => ({ streams: await heard(), told: sorted(told.splice(0)) }),
    close: () => client.close(),
  }
}

const sorted = (messages: unknown[]) => messages.map((message) => JSON.stringify(message)).sort()
