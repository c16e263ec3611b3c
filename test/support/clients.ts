/** Real MCP clients, as agents use them: the v1 SDK and the v2 client in legacy mode, answering sampling, elicitation and roots. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'

const info = { name: 'e2e', version: '1.0.0' }
const capabilities = { sampling: {}, elicitation: {}, roots: {} }
const sampled = {
  model: 'none',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'sampled' },
}
const elicited = { action: 'accept' as const, content: { name: 'Kim', check: true } }
const roots = { roots: [{ uri: 'file:///tmp', name: 'tmp' }] }

export interface Waiting {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  /** Where given, a progress token goes out and progress resets the clock. */
  readonly onProgress?: (progress: { progress: number; message?: string | undefined }) => void
}

export interface TestClient {
  call(
    name: string,
    args?: Record<string, unknown>,
    waiting?: Waiting,
    meta?: Record<string, unknown>,
  ): Promise<CallResult>
  request(method: string, params?: Record<string, unknown>): Promise<unknown>
  readonly notifications: { method: string; params?: unknown }[]
  readonly sessionId: string | undefined
  close(): Promise<void>
}

export interface CallResult {
  content: { type: string; text?: string }[]
  isError?: boolean
  structuredContent?: unknown
  _meta?: Record<string, unknown>
}

const bearer = (token: string | null) =>
  token === null ? {} : { requestInit: { headers: { authorization: `Bearer ${token}` } } }

export async function connectV1(url: string, token: string | null = null): Promise<TestClient> {
  const transport = new HttpV1(new URL(url), bearer(token))
  // The SDK declares `sessionId` optional in one place and `string | undefined` in the other.
  return v1(transport as Transport, () => transport.sessionId)
}

/** A client that knows only HTTP+SSE of 2024-11-05. */
export async function connectSse(url: string, token: string | null = null): Promise<TestClient> {
  return v1(new SSEClientTransport(new URL(url), bearer(token)), () => undefined)
}

export async function connectStdio(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<TestClient> {
  return v1(new StdioClientTransport({ command, args, env, stderr: 'ignore' }), () => undefined)
}

async function v1(transport: Transport, sessionId: () => string | undefined): Promise<TestClient> {
  const client = new ClientV1(info, { capabilities })
  client.setRequestHandler(CreateMessageRequestSchema, async () => sampled)
  client.setRequestHandler(ElicitRequestSchema, async () => elicited)
  client.setRequestHandler(ListRootsRequestSchema, async () => roots)
  const notifications: { method: string; params?: unknown }[] = []
  client.fallbackNotificationHandler = async (notification) => {
    notifications.push(notification)
  }
  await client.connect(transport)
  const anything = {
    parse: (value: unknown) => value,
    safeParse: (data: unknown) => ({ success: true, data }),
  }
  const raw = (method: string, params: Record<string, unknown>, options: object) =>
    // The SDK wants a Zod schema; this one accepts everything, so that nothing is hidden from the comparison.
    client.request({ method, params }, anything as never, options) as Promise<unknown>
  return {
    call: (name, args = {}, waiting = {}, meta) =>
      raw(
        'tools/call',
        { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) },
        optionsOf(waiting),
      ) as Promise<CallResult>,
    request: (method, params = {}) => raw(method, params, {}),
    notifications,
    get sessionId() {
      return sessionId()
    },
    close: () => client.close(),
  }
}

export async function connectV2(url: string, token: string | null = null): Promise<TestClient> {
  const transport = new HttpV2(new URL(url), bearer(token))
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode: 'legacy' } })
  client.setRequestHandler('sampling/createMessage', async () => sampled)
  client.setRequestHandler('elicitation/create', async () => elicited)
  client.setRequestHandler('roots/list', async () => roots)
  const notifications: { method: string; params?: unknown }[] = []
  client.fallbackNotificationHandler = async (notification) => {
    notifications.push(notification)
  }
  await client.connect(transport)
  return {
    call: async (name, args = {}, waiting = {}, meta) =>
      (await client.callTool(
        { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) },
        optionsOf(waiting),
      )) as CallResult,
    async request(method, params = {}) {
      switch (method) {
        case 'tools/list':
          return client.listTools(params)
        case 'resources/list':
          return client.listResources(params)
        case 'resources/read':
          return client.readResource({ uri: String(params.uri) })
        case 'prompts/list':
          return client.listPrompts(params)
        case 'prompts/get':
          return client.getPrompt({ name: String(params.name), arguments: {} })
        default:
          throw new Error(`the test does not use ${method} with v2`)
      }
    },
    notifications,
    get sessionId() {
      return transport.sessionId
    },
    close: () => client.close(),
  }
}

function optionsOf({ signal, timeoutMs = 180_000, onProgress }: Waiting) {
  return {
    timeout: timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onprogress: onProgress, resetTimeoutOnProgress: true }),
  }
}

/** The official requester for tasks of 2026-07-28, on top of the v2 client, which knows nothing of them. */
export async function connectTasks(url: string, token: string) {
  const client = new ClientV2(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(new HttpV2(new URL(url), bearer(token)))
  let ids = 0
  const session = createTaskSessionFromClient(client, {
    endpointId: url,
    v2RequestFraming: { protocolVersion: '2026-07-28', clientInfo: info, clientCapabilities: {} },
    async rawDispatch(request, options) {
      const { method, params } = TaskRequest.parse(request)
      const name = params.taskId ?? params.name
      const send = () =>
        fetch(url, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': method,
            ...(name === undefined ? {} : { 'mcp-name': name }),
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: ++ids, method, params }),
          ...(options?.signal === undefined ? {} : { signal: options.signal }),
        })
      const response = await (method === 'tasks/get' ? again(send) : send())
      const message = TaskResponse.parse(await response.json())
      return message.error === undefined
        ? { kind: 'result', result: message.result }
        : { kind: 'error', error: message.error }
    },
  })
  return { session, close: () => client.close() }
}

/** A poll over a connection to a gateway that was killed fails, and several may be open: "clients SHOULD continue polling". */
async function again(send: () => Promise<Response>, timesLeft = 20): Promise<Response> {
  try {
    return await send()
  } catch (error) {
    if (timesLeft === 0) throw error
    await sleep(100)
    return again(send, timesLeft - 1)
  }
}

const TaskRequest = z.object({
  method: z.string(),
  params: z.looseObject({ taskId: z.string().optional(), name: z.string().optional() }),
})
const TaskResponse = z.object({
  result: z.json().default(null),
  error: z.object({ code: z.number(), message: z.string(), data: z.json().optional() }).optional(),
})

export const textOf = (result: CallResult): string => result.content.map((part) => part.text ?? '').join('\n')
