/** The MCP endpoint between a client and an upstream that both do as a test says. */

import { Hono } from 'hono'
import {
  type Approval,
  type Decision,
  headerOf,
  type Outcome,
  type Settled,
} from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { noEvidence } from '../../src/domain/evidence.ts'
import { defaultLimits } from '../../src/domain/limits.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { ok } from '../../src/domain/result.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { readClientBudgets } from '../../src/files/client-budgets.ts'
import { random } from '../../src/launch/random.ts'
import { createHeldRequests } from '../../src/mcp/downstream/held-requests.ts'
import { createMcpRoutes, type McpDeps } from '../../src/mcp/downstream/routes.ts'
import type { Upstream, WireRequest, WireResponse } from '../../src/mcp/upstream/wire.ts'
import type { AskRequest } from '../../src/services/ask.ts'
import type { Awaited, AwaitRequest } from '../../src/services/await-outcome.ts'
import type { ToRecord } from '../../src/services/record-verdicts.ts'
import { admission, agent, anApproval, aPolicy, approvers } from '../support/builders.ts'
import { createMemoryCounters } from '../support/memory-counters.ts'

export type Wire = (request: WireRequest) => Promise<WireResponse> | WireResponse

export function body(text: string): ReadableStream<Uint8Array> {
  return new Response(text).body ?? new ReadableStream()
}

export const wireJson = (text: string, headers: Record<string, string> = {}): WireResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json', ...headers },
  body: body(text),
})

export const wireEvents = (text: string): WireResponse => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream' },
  body: body(text),
})

export interface HarnessOptions extends Partial<Omit<McpDeps, 'limits' | 'timings'>> {
  readonly policy?: Policy
  readonly wire?: Wire
  readonly limits?: Partial<McpDeps['limits']>
  readonly timings?: Partial<McpDeps['timings']>
}

export function aHarness(options: HarnessOptions = {}) {
  const { policy, wire, limits, timings, ...overrides } = options
  const exchanges: WireRequest[] = []
  const asked: AskRequest[] = []
  const awaited: AwaitRequest[] = []
  const delivered: string[] = []
  const polled: string[] = []
  const logged: string[] = []
  const listed: { server: string; tools: readonly JsonObject[] }[] = []
  const recorded: ToRecord[] = []
  const { approval } = anApproval()
  const log = (_: object, message: string) => {
    logged.push(message)
  }
  const upstream: Upstream = {
    server: 'github',
    async exchange(request) {
      exchanges.push(request)
      return (wire ?? (() => wireJson('{"jsonrpc":"2.0","id":1,"result":{}}')))(request)
    },
    async close() {},
  }
  const deps: McpDeps = {
    upstreams: new Map([['github', upstream]]),
    prefixAt: () => '',
    extraMethods: () => [],
    passHeaders: () => [],
    rules: {
      of: () => ({
        policy: policy ?? aPolicy({ ping_tool: 'allow', forbidden: 'deny' }),
        approvers,
        revision: 1,
      }),
    },
    setUpLink: (server) => `http://gateway:8484/set-up/${server}`,
    stops: { over: () => null },
    counters: createMemoryCounters(),
    random,
    async ask(request) {
      asked.push(request)
      return ok({ kind: 'waiting', approval, isNew: true })
    },
    findEarlier: async () => null,
    async awaitOutcome(request) {
      awaited.push(request)
      return { kind: 'still_waiting', approval }
    },
    ownCalls: {
      find: async () => null,
      isCollected: async () => false,
      list: async () => [],
      cancel: async () => ({ ok: false, error: { reason: 'not_found' } }),
    },
    pollers: {
      polled(id) {
        polled.push(id)
      },
    },
    async markDelivered(id) {
      delivered.push(id)
    },
    clientBudgets: readClientBudgets(),
    agentHoldMs: () => null,
    onClientGoneOf: () => null,
    recordVerdict: (verdict) => void recorded.push(verdict),
    stopping: new AbortController().signal,
    authenticate: async (headers) =>
      admission(headers.get('authorization') === 'Bearer agent' ? agent : null),
    challengeOf: () => null,
    isHostAllowed: (host) => host === 'gateway:8484' || host.startsWith('127.0.0.1:'),
    isOriginAllowed: (origin) => origin === 'http://gateway:8484',
    toolsSeen: (server, tools) => {
      listed.push({ server, tools })
    },
    inputSchemaOf: async () => undefined,
    toolNames: () => [],
    onRulesChange: () => {},
    onWakeUp: () => () => {},
    read: async () => null,
    createSession: () => ({
      describe: async () => ({ kind: 'unlisted' }),
      send: async () => ({ kind: 'not_sent', reason: 'a fake does not send' }),
    }),
    sealKey: new Uint8Array(32).fill(7),
    limits: { ...defaultLimits, bodyBytesMax: 100_000, ...limits },
    held: createHeldRequests({ ...defaultLimits, ...limits }),
    timings: { ...defaultTimings, ...timings },
    clock: {
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now(),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const timer = setTimeout(end, ms)
          signal?.addEventListener('abort', end)
          if (signal?.aborted) end()
          function end() {
            clearTimeout(timer)
            signal?.removeEventListener('abort', end)
            resolve()
          }
        }),
    },
    log: { debug: log, info: log, warn: log, error: log },
    ...overrides,
  }
  const app = new Hono().route('/mcp', createMcpRoutes(deps))

  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    return app.request(`http://gateway:8484${path}`, init)
  }
  async function post(
    text: string | Uint8Array | ReadableStream,
    headers: Record<string, string | undefined> = {},
  ): Promise<Response> {
    const all = { ...usualHeaders, ...headers }
    const stated = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    )
    const init: RequestInit = {
      method: 'POST',
      headers: new Headers(stated as [string, string][]),
      body: text,
    }
    if (text instanceof ReadableStream) init.duplex = 'half'
    return request('/mcp/github', init)
  }
  return {
    app,
    deps,
    upstream,
    approval,
    exchanges,
    asked,
    awaited,
    delivered,
    polled,
    logged,
    listed,
    recorded,
    request,
    post,
  }
}

export type Harness = ReturnType<typeof aHarness>

export const usualHeaders = {
  authorization: 'Bearer agent',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  host: 'gateway:8484',
}

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

export const modernHeaders = (method: string, name?: string): Record<string, string> => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  ...(name === undefined ? {} : { 'mcp-name': name }),
})

export function call(name: unknown, rest: object = { arguments: {} }, id: unknown = 1): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, ...rest } })
}

const decision: Decision = {
  kind: 'approve',
  by: 'mina',
  reason: null,
  digest: 'd',
  via: 'api',
  with: [],
  gives: null,
  under: null,
  atMs: 1_000_000,
}

/** The given approval as it ended. */
export function ended(approval: Approval, outcome: Outcome): Settled {
  return { ...headerOf(approval), version: 3, status: 'settled', outcome, settledAtMs: 1_060_000 }
}

export const outcomes = {
  answered: (kind: 'result' | 'error' = 'result'): Outcome => ({
    kind: 'answered',
    decision,
    reply: { kind, isError: kind === 'error', digest: 'd', bytes: 1 },
  }),
  rejected: { kind: 'rejected', decision: { ...decision, kind: 'reject', reason: 'not on a Friday' } },
  expired: { kind: 'expired' },
  lapsed: { kind: 'lapsed', decision },
  cancelled: { kind: 'cancelled', by: 'jun', reason: null },
  invalidated: {
    kind: 'invalidated',
    change: 'the upstream changed the definition of this tool',
    successor: null,
    forbidden: false,
  },
  not_sent: { kind: 'not_sent', decision, reason: 'connect ECONNREFUSED 10.0.0.7:443' },
  indeterminate: {
    kind: 'indeterminate',
    decision,
    reason: 'read ECONNRESET',
    annotations: [],
    evidence: noEvidence,
    successor: null,
  },
} satisfies Record<string, Outcome | ((kind?: 'result' | 'error') => Outcome)>

export const approvedNow = (approval: Approval): Approval => {
  return { ...headerOf(approval), version: 2, status: 'approved', decision, startByMs: 4_600_000 }
}

export const executingNow = (approval: Approval): Approval => {
  return {
    ...headerOf(approval),
    version: 3,
    status: 'executing',
    decision,
    claim: { node: 'gateway-1', atMs: 1_050_000, checked: null },
  }
}

export const settledAs = (
  approval: Approval,
  outcome: Outcome,
  replyText: string | null = null,
): Awaited => ({
  kind: 'settled',
  approval: ended(approval, outcome),
  replyText,
})

/** The JSON-RPC messages of an event stream. */
export function messagesIn(stream: string): unknown[] {
  return stream
    .split('\n\n')
    .map((event) =>
      event
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .join('\n'),
    )
    .filter((data) => data !== '')
    .map((data) => JSON.parse(data))
}

/** Resolves when the condition holds; fails only when it never does. */
export async function eventually(condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + 60_000
  while (!condition()) {
    if (performance.now() > untilMs) throw new Error('it did not happen within a minute')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
