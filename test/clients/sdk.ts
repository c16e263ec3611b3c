/** The two official SDKs and the client of the tasks extension, as this repository has them installed. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
  type Transport,
} from '@modelcontextprotocol/client'
import { resultFromTaskOutcome } from '@modelcontextprotocol/ext-tasks/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { connectTasks } from '../support/clients.ts'
import {
  type Call,
  callByCall,
  LIMIT_MS,
  type RealClient,
  shownError,
  shownText,
  type Where,
} from './client.ts'
import { installedVersion } from './versions.ts'

const info = { name: 'clients-run', version: '1.0.0' }
const bearer = (token: string | null) =>
  token === null ? {} : { requestInit: { headers: { authorization: `Bearer ${token}` } } }
const sdkV1 = installedVersion('@modelcontextprotocol/sdk')
const sdkV2 = installedVersion('@modelcontextprotocol/client')
const told = (said: Promise<object>) => said.then(shownText, shownError)

/** Agents look at the tools first. */
async function openV1({ url, token }: Where) {
  const client = new ClientV1(info)
  await client.connect(new HttpV1(new URL(url), bearer(token)) as TransportV1)
  const { tools } = await client.listTools()
  return { client, tools }
}

export async function openV2({ url, token }: Pick<Where, 'url' | 'token'>, revision: string | null) {
  return connectV2(new HttpV2(new URL(url), bearer(token)), revision)
}

/** @param revision `null`: the handshake of the revisions before */
export async function connectV2(transport: Transport, revision: string | null) {
  const mode = revision === null ? 'legacy' : { pin: revision }
  const client = new ClientV2(info, { versionNegotiation: { mode } })
  await client.connect(transport)
  await client.listTools()
  return client
}

const plainV1 = async (where: Where) => {
  const { client } = await openV1(where)
  const call = ({ tool, args }: Call) =>
    told(client.callTool({ name: tool, arguments: args }, undefined, { timeout: LIMIT_MS }))
  return callByCall(call, () => client.close())
}

/** A client that numbers its calls in `_meta`, under a name that nobody knows: each repeat is another call. */
export const withRestlessMeta = async (where: Where) => {
  const { client } = await openV1(where)
  let count = 0
  const call = ({ tool, args }: Call) => {
    const params = { name: tool, arguments: args, _meta: { 'example.com/call': ++count } }
    return told(client.callTool(params, undefined, { timeout: LIMIT_MS }))
  }
  return callByCall(call, () => client.close())
}

const progressV1 = async (where: Where) => {
  const { client } = await openV1(where)
  const options = { timeout: LIMIT_MS, resetTimeoutOnProgress: true, onprogress: () => {} }
  const call = ({ tool, args }: Call) =>
    told(client.callTool({ name: tool, arguments: args }, undefined, options))
  return callByCall(call, () => client.close())
}

const tasksV1 = async (where: Where) => {
  const { client, tools } = await openV1(where)
  async function call({ tool, args }: Call): Promise<string> {
    // The client asks for a task where the tool says that it takes one.
    const takesTasks = tools.some(
      ({ name, execution }) => name === tool && execution?.taskSupport === 'optional',
    )
    const request = { name: tool, arguments: args }
    const task = takesTasks ? { task: { ttl: 60_000 } } : {}
    const options = { timeout: LIMIT_MS, ...task }
    let status = ''
    for await (const said of client.experimental.tasks.callToolStream(
      request,
      CallToolResultSchema,
      options,
    )) {
      if (said.type === 'result') return shownText(said.result)
      // The error says only that the task failed; why, its status said before.
      if (said.type === 'taskStatus') status = said.task.statusMessage ?? ''
      if (said.type === 'error') return `${shownError(said.error)}: ${status}`
    }
    return 'error: the stream ended without a result'
  }
  return callByCall(call, () => client.close())
}

const plainV2 = (revision: string | null) => async (where: Where) => {
  const client = await openV2(where, revision)
  const call = ({ tool, args }: Call) =>
    told(client.callTool({ name: tool, arguments: args }, { timeout: LIMIT_MS }))
  return callByCall(call, () => client.close())
}

const extTasks = async ({ url, token }: Where) => {
  const { session, close } = await connectTasks(url, token ?? '')
  async function call({ tool, args }: Call): Promise<string> {
    try {
      const execution = await session.callTool(tool, args, { requestTimeoutMs: LIMIT_MS })
      const { outcome } = await execution.settle()
      return shownText(Object(resultFromTaskOutcome(outcome)))
    } catch (error) {
      return shownError(error)
    }
  }
  return callByCall(call, close)
}

export const sdkClients: readonly RealClient[] = [
  {
    name: 'sdk-v1',
    version: sdkV1,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    way: 'ticket',
    connect: plainV1,
  },
  {
    name: 'sdk-v1-impatient',
    version: sdkV1,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    hold: '2m',
    way: 'repeats',
    connect: plainV1,
  },
  {
    name: 'sdk-v1-progress',
    version: sdkV1,
    limit: 'callTool timeout, resetTimeoutOnProgress',
    limitMs: LIMIT_MS,
    hold: '2m',
    way: 'held',
    connect: progressV1,
  },
  {
    name: 'sdk-v1-tasks',
    version: sdkV1,
    limit: 'callToolStream timeout',
    limitMs: LIMIT_MS,
    way: 'task',
    connect: tasksV1,
  },
  {
    name: 'sdk-v2-legacy',
    version: sdkV2,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    way: 'ticket',
    connect: plainV2(null),
  },
  {
    name: 'sdk-v2',
    version: sdkV2,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    way: 'rounds',
    connect: plainV2('2026-07-28'),
  },
  {
    name: 'sdk-v2-impatient',
    version: sdkV2,
    limit: 'callTool timeout',
    limitMs: LIMIT_MS,
    hold: '2m',
    way: 'repeats',
    connect: plainV2('2026-07-28'),
  },
  {
    name: 'ext-tasks',
    version: installedVersion('@modelcontextprotocol/ext-tasks'),
    limit: 'requestTimeoutMs',
    limitMs: LIMIT_MS,
    way: 'task',
    connect: extTasks,
  },
]
