/**
 * How long the policy takes: judging one call, reading a large policy, and what a thousand reloads leave in memory; and what
 * writing down every verdict costs.
 * `npm run bench` builds first; `--json` is for programs. It exits 1 above the targets. `--short` does each
 * less often and fails only far above the targets, where a busy machine is no explanation.
 */
import { performance } from 'node:perf_hooks'
import { evaluate } from '../dist/src/domain/policy.js'
import { readPolicy } from '../dist/src/files/policy-file.js'
import { measureDecisionLog } from './decision-log.mjs'

const isShort = process.argv.includes('--short')

const load = (text) => {
  const read = readPolicy('bench.yaml', text)
  if (!read.ok) throw new Error(JSON.stringify(read.error[0]))
  return read.value
}

const kinds = [
  (tool) => `{ tools: ${tool}, action: allow }`,
  (tool) => `{ tools: "${tool}_*", action: deny, when: { path: args.amount, gt: 1000 } }`,
  (tool) =>
    `{ tools: ${tool}, action: require_approval, when: { path: args.to, some: { not_in: [a, b, c] } } }`,
  (tool) => `{ tools: "*", agents: ${tool}, action: deny }`,
  (tool) =>
    `{ tools: ${tool}, action: deny, when: { path: args.sql, default: "", matches: "(?i)drop table" } }`,
]
const policyOf = (rules) =>
  `default: require_approval\nrules:\n${Array.from(
    { length: rules },
    (_, index) => `  - ${kinds[index % kinds.length](`tool_${index}`)}`,
  ).join('\n')}\n`

function call(tool) {
  const args = { amount: 12, to: ['a', 'b', 'z'], sql: 'select 1', note: 'x'.repeat(900) }
  const facts = { category: 'write', risk: 'medium' }
  return {
    server: 's',
    tool,
    arguments: args,
    agent: 'agent',
    owner: 'owner',
    session: null,
    facts,
    nowMs: Date.now(),
  }
}

function quantiles(runs, work) {
  for (let index = 0; index < runs / 10; index++) work(index)
  const times = Array.from({ length: runs }, (_, index) => {
    const began = performance.now()
    work(index)
    return (performance.now() - began) * 1_000
  }).sort((a, b) => a - b)
  return { p50: times[Math.floor(runs * 0.5)], p99: times[Math.floor(runs * 0.99)] }
}

const policy = load(policyOf(200))
const calls = Array.from({ length: 200 }, (_, index) => call(`tool_${index}`))
const judging = quantiles(isShort ? 10_000 : 100_000, (index) =>
  evaluate(policy, calls[index % calls.length]),
)

/** As block YAML, which has the fewest parts: a file may have 200,000. */
const largeText = `default: deny\nrules:\n${Array.from({ length: 10_000 }, (_, index) => `  - tools: tool_${index}\n    action: allow\n`).join('')}`
const reading = Array.from({ length: isShort ? 3 : 5 }, () => {
  // Of the processor: what else runs on the machine is no part of it.
  const began = process.cpuUsage()
  evaluate(load(largeText), calls[0])
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1_000
}).sort((a, b) => a - b)

const smallText = policyOf(200)
const heapAfter = (reloads) => {
  for (let index = 0; index < reloads; index++) evaluate(load(smallText), calls[index % calls.length])
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1_048_576
}
const reloads = isShort ? 200 : 1_000
const [before, after] = [heapAfter(100), heapAfter(reloads)]

const log = await measureDecisionLog(isShort ? 1 : 9)

const results = [
  { what: 'judge one call of 1 KB, 200 rules: p50', value: judging.p50, unit: 'µs', target: 20 },
  { what: 'judge one call of 1 KB, 200 rules: p99', value: judging.p99, unit: 'µs', target: null },
  {
    what: `read 10,000 rules and judge once: median of ${reading.length}, CPU`,
    value: reading[Math.floor(reading.length / 2)],
    unit: 'ms',
    target: 1_000,
  },
  { what: `heap gained by ${reloads} reloads of 200 rules`, value: after - before, unit: 'MiB', target: 5 },
  { what: 'an allowed call without the decision log, CPU', value: log.off, unit: 'µs', target: null },
  { what: 'the same with the log, as a ratio', value: log.ratio, unit: '×', target: 2 },
]
if (process.argv.includes('--json')) console.log(JSON.stringify(results))
else {
  for (const { what, value, unit, target } of results) {
    console.log(
      `${what.padEnd(56)} ${value.toFixed(2).padStart(9)} ${unit}${target === null ? '' : `  (at most ${target})`}`,
    )
  }
}
// How busy a machine is explains a factor of some, and not one of ten.
const patience = isShort ? 10 : 1
process.exit(results.some(({ value, target }) => target !== null && value > target * patience) ? 1 : 0)
