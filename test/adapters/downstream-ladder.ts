/** The MCP endpoint on the real services, a memory ledger and an upstream that does as told: for the ways to wait. */
import { expect } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { parseApprovalId } from '../../src/domain/approval-id.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { Timings } from '../../src/domain/timings.ts'
import { admission, agent } from '../support/builders.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'
import { aHarness, type HarnessOptions, modernHeaders, modernMeta } from './downstream-harness.ts'

export const otherAgent: Principal = { name: 'other-agent', owner: agent.owner }

export const tasksMeta = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
}

/** One of any number of gateways of the same world. */
export async function aLadder(
  world: World = aWorld(),
  options: HarnessOptions & {
    readonly timings?: Partial<Timings>
    readonly node?: string
    /** Told for how long each request is held. */
    readonly holdsMs?: (number | (() => number))[]
  } = {},
) {
  const { timings = {}, node = 'gateway-1', holdsMs = [], ...overrides } = options
  const short = { holdMs: 20, commentMs: 60_000, progressMs: 60_000, pollMs: 1_000, ...timings }
  const gateway = await aGateway(world, { node, timings: short })
  const harness = aHarness({
    ...overrides,
    ask: (request) => gateway.ask(request.call, request.session),
    findEarlier: gateway.findEarlier,
    awaitOutcome(request) {
      holdsMs.push(request.holdMs)
      return gateway.awaitOutcome(request)
    },
    ownCalls: gateway.ownCalls,
    pollers: gateway.pollers,
    markDelivered: world.ledger.markDelivered,
    toolsSeen: () => {},
    createSession: () => world.upstream,
    stopping: gateway.stop.signal,
    timings: short,
    authenticate: async (headers) =>
      admission(headers.get('authorization') === 'Bearer other' ? otherAgent : agent),
  })

  async function modern(method: string, params: Record<string, unknown>, more: Record<string, string> = {}) {
    const name = String(params.name ?? params.taskId)
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta: modernMeta, ...params } })
    const response = await harness.post(body, { ...modernHeaders(method, name), ...more })
    return { status: response.status, ...Object(answerIn(await response.text())) }
  }
  async function legacy(method: string, params: Record<string, unknown>, more: Record<string, string> = {}) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await harness.post(body, { 'mcp-protocol-version': '2025-11-25', ...more })
    return { status: response.status, ...Object(answerIn(await response.text())) }
  }
  async function pendingId(): Promise<ApprovalId> {
    const [approval] = await world.ledger.list({ statuses: null, principal: null, limit: 1, after: null })
    const id = parseApprovalId(approval?.id ?? '')
    if (!id.ok) throw new Error('nothing was asked')
    return id.value
  }
  return { ...harness, world, gateway, modern, legacy, pendingId }
}

export const as = (who: 'other') => ({ authorization: `Bearer ${who}` })

/** The answer, as JSON or at the end of an event stream. */
export function answerIn(text: string): unknown {
  if (text.startsWith('{')) return JSON.parse(text)
  const last = text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .at(-1)
  return last === undefined ? null : JSON.parse(last.slice('data: '.length))
}

/** Waits until the upstream was called so often. */
export const sentTimes = (world: World, times: number) =>
  expect.poll(() => world.upstream.sent.length).toBe(times)
