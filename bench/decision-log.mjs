/**
 * What the decision log costs an allowed call: the same gateway routes with the log and without, in turns, in one run. The log is
 * the real one in an embedded PostgreSQL; the upstream answers at once and there are no sockets, so that the ratio is the worst.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { loadConfig } from '../dist/src/config.js'
import { defaultLimits } from '../dist/src/domain/limits.js'
import { defaultTimings } from '../dist/src/domain/timings.js'
import { readClientBudgets } from '../dist/src/files/client-budgets.js'
import { readPolicy } from '../dist/src/files/policy-file.js'
import { clock } from '../dist/src/launch/clock.js'
import { silentLog } from '../dist/src/launch/log.js'
import { random } from '../dist/src/launch/random.js'
import { openStores } from '../dist/src/launch/stores.js'
import { createHeldRequests } from '../dist/src/mcp/downstream/held-requests.js'
import { createMcpRoutes } from '../dist/src/mcp/downstream/routes.js'
import { createVerdictRecorder } from '../dist/src/services/record-verdicts.js'

const CALLS = 1_500

/** @param rounds more take longer, and say more */
export async function measureDecisionLog(rounds) {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdpoint-bench-'))
  const config = loadConfig({ env: { HOLDPOINT_DATA: dataDir }, cwd: dataDir })
  if (!config.ok) throw new Error(JSON.stringify(config.error[0]))
  const stores = await openStores(config.value, silentLog)
  try {
    return await measure(stores.store.decisionLog, rounds)
  } finally {
    await stores.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function measure(decisionLog, rounds) {
  const rules = rulesOf()
  const parts = { rules, timings: defaultTimings, limits: defaultLimits, clock, log: silentLog }
  let written = 0
  const counted = {
    ...decisionLog,
    async add(lines) {
      await decisionLog.add(lines)
      written += lines.length
    },
  }
  const recorder = createVerdictRecorder({ ...parts, decisionLog: counted, recordsArguments: () => true })
  const stopping = new AbortController()
  const kept = recorder.keep(stopping.signal)
  const [on, off] = [gatewayOf(parts, recorder.record), gatewayOf(parts, () => {})]
  const settled = async () => {
    while (written % CALLS !== 0 || written === 0) await clock.sleep(50)
  }
  for (const app of [on, off]) await round(app, settled)
  const ratios = []
  for (let index = 0; index < rounds; index++) {
    // In turns, and each first as often: what else happens on the machine meets both.
    const order = index % 2 === 0 ? [on, off] : [off, on]
    const times = new Map()
    for (const app of order) times.set(app, await round(app, settled))
    ratios.push({ ratio: times.get(on) / times.get(off), off: times.get(off) })
  }
  stopping.abort()
  await kept
  ratios.sort((a, b) => a.ratio - b.ratio)
  return { ...ratios[Math.floor(rounds / 2)], gap: recorder.gap() }
}

/** @returns microseconds of the processor for each call, until everything it left behind is written */
async function round(app, settled) {
  const began = process.cpuUsage()
  for (let index = 0; index < CALLS; index += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, each) => post(app, index + each)))
  }
  await settled()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / CALLS
}

async function post(app, id) {
  const args = { amount: id, note: 'x'.repeat(900) }
  const response = await app.request('http://127.0.0.1:8484/mcp/bench', {
    method: 'POST',
    headers: {
      host: '127.0.0.1:8484',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'tool_1', arguments: args },
    }),
  })
  const text = await response.text()
  if (response.status !== 200 || !text.includes('"ok"'))
    throw new Error(`${response.status} ${text.slice(0, 200)}`)
}

function rulesOf() {
  const text = `default: deny\nallow: [${Array.from({ length: 200 }, (_, index) => `tool_${index}`)}]\n`
  const read = readPolicy('bench.yaml', text)
  if (!read.ok) throw new Error(JSON.stringify(read.error[0]))
  const approvers = { groups: [], people: ['kim'], selfConfirm: false }
  return {
    of: () => ({ policy: read.value, approvers, revision: 1 }),
    facts: () => ({ category: 'write', risk: 'medium' }),
  }
}

function gatewayOf(parts, recordVerdict) {
  const never = async () => {
    throw new Error('an allowed call asks nobody')
  }
  const upstream = {
    server: 'bench',
    exchange: async ({ body }) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: new Response(
        `{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"content":[{"type":"text","text":"ok"}]}}`,
      ).body,
    }),
    close: async () => {},
  }
  const routes = createMcpRoutes({
    ...parts,
    recordVerdict,
    upstreams: new Map([['bench', upstream]]),
    extraMethods: () => [],
    passHeaders: () => [],
    inputSchemaOf: async () => undefined,
    setUpLink: () => null,
    stops: { over: () => null },
    counters: { read: never, reserve: never, release: never, full: never, sweep: never },
    prefixAt: () => '',
    findEarlier: never,
    onWakeUp: () => () => {},
    read: never,
    random,
    ask: never,
    awaitOutcome: never,
    ownCalls: { find: never, isCollected: never, list: never, cancel: never },
    pollers: { polled: () => {} },
    markDelivered: never,
    clientBudgets: readClientBudgets(),
    agentHoldMs: () => null,
    onClientGoneOf: () => null,
    stopping: new AbortController().signal,
    authenticate: async () => ({ kind: 'admitted', principal: { name: 'agent', owner: 'kim' } }),
    challengeOf: () => null,
    isHostAllowed: () => true,
    isOriginAllowed: () => true,
    toolsSeen: () => {},
    toolNames: () => [],
    onRulesChange: () => {},
    createSession: never,
    sealKey: new Uint8Array(32).fill(7),
    held: createHeldRequests(defaultLimits),
  })
  return new Hono().route('/mcp', routes)
}
