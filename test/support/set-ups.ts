/** Servers without a policy over memory: the real services and reader of policies, tools that were listed, one operator. */
import type { JsonObject } from '../../src/domain/canonical.ts'
import { err } from '../../src/domain/result.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { readyFor } from '../../src/launch/ready-policies.ts'
import { createPolicyChanges } from '../../src/services/policy-changes.ts'
import { createRulesInForce } from '../../src/services/rules-in-force.ts'
import { createSetUps, type SetUps } from '../../src/services/set-up.ts'
import { createToolCatalogue } from '../../src/services/tool-catalogue.ts'
import { createToolReviews, type ToolReviews } from '../../src/services/tool-reviews.ts'
import { createTrustedPins } from '../../src/services/trusted-pins.ts'
import { approvers } from './builders.ts'
import { createMemoryDecisionLog } from './memory-decision-log.ts'
import { createMemoryLedger, type MemoryLedger } from './memory-ledger.ts'
import { createMemoryToolPins } from './memory-tool-pins.ts'

export const noSetUps: SetUps = {
  waiting: () => [],
  show: () => null,
  mayAccept: () => false,
  accept: async () => err({ reason: 'not_waiting' }),
}

export const noToolReviews: ToolReviews = {
  waiting: () => [],
  servers: () => [],
  ofServer: () => [],
  show: () => null,
  tried: async () => [],
  mayAccept: () => false,
  accept: async () => false,
}

export const shopTools: readonly JsonObject[] = [
  { name: 'get_order', description: 'Get one order.', inputSchema: { type: 'object' } },
  { name: 'list_orders', title: '주문 목록', description: '주문을 모두 가져옵니다.' },
  { name: 'refund_payment', description: 'Refund a payment to the customer.' },
  { name: 'delete_order', description: 'Permanently deletes an order. This cannot be undone.' },
]

/** One gateway of several: what they share is given. */
export async function aSetUpGateway(
  shared: {
    ledger?: MemoryLedger
    pins?: ReturnType<typeof createMemoryToolPins>
    operator?: string
    trusted?: readonly string[]
  } = {},
) {
  const ledger = shared.ledger ?? createMemoryLedger()
  const isTrusted = (server: string) => shared.trusted?.includes(server) ?? false
  const pins = createTrustedPins(shared.pins ?? createMemoryToolPins(() => 0), isTrusted)
  const servers = ['shop', 'wiki']
  const tools = createToolCatalogue({ pins, isTrusted, clock, log: silentLog })
  await tools.refresh()
  const { revisions } = ledger
  const rules = createRulesInForce({
    ...{ revisions, servers, readPolicy: readPolicyText, clock, log: silentLog },
    tools,
  })
  await rules.refresh()
  const isOperator = ({ id }: { id: string }) => id === (shared.operator ?? 'mina')
  const policies = createPolicyChanges({
    ...{ ledger, revisions, readPolicy: readPolicyText, servers, isOperator, log: silentLog },
    undecidable: () => null,
    usualApprovers: () => ({ approvers, origin: 'here:/holdpoint.yaml' }),
    async judgeBy() {
      throw new Error('nothing waits')
    },
    async simulate() {
      throw new Error('nothing was recorded')
    },
  })
  const problems = new Map([['wiki', 'it cannot be reached: connection refused']])
  const setUps = createSetUps({
    ...{ servers, rules, tools, policies, readPolicy: readPolicyText, isOperator, log: silentLog },
    isTrusted,
    problemOf: (server) => (tools.known(server).length > 0 ? null : (problems.get(server) ?? null)),
  })
  const decisionLog = createMemoryDecisionLog()
  const toolReviews = createToolReviews({
    ...{ tools, toolPins: pins, rules, decisionLog, readyFor, nowMs: async () => Date.now(), log: silentLog },
    mayAccept: isOperator,
    isTrusted,
  })
  return {
    ...{ ledger, pins, rules, tools, policies, setUps, toolReviews, decisionLog },
    async saw(server: string, listed: readonly JsonObject[]) {
      tools.saw(server, listed)
      await tools.settled()
    },
  }
}
