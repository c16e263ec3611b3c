/**
 * The official conformance suite, once straight against an upstream and once through the gateway: every check of every
 * scenario must end alike. Prints the comparison; `-- --only <part of a scenario's name>` runs less.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDeciding } from './decider.ts'
import { type StartedGateway, startFixture, startGateway, stdioFixture, workplace } from './processes.ts'
import {
  differences,
  failed,
  failedChecks,
  passed,
  type Results,
  runServerSuite,
  runSuite,
  type Scenario,
} from './suite.ts'

const { values: options } = parseArgs({ options: { only: { type: 'string' } } })
const { only } = options
const isWanted = (scenario: string) => only === undefined || scenario.includes(only)

/** Scenarios that watch a client. Those about a client's own authorization have nothing between them and their server. */
const clientScenarios = {
  '2025-11-25': [
    'initialize',
    'tools_call',
    'elicitation-sep1034-client-defaults',
    'sse-retry',
    'json-schema-2020-12-preservation',
  ],
  '2026-07-28': [
    'tools_call',
    'request-metadata',
    'sep-2322-client-request-state',
    'http-standard-headers',
    'http-custom-headers',
    'http-invalid-tool-headers',
    'json-schema-ref-no-deref',
  ],
}

/** Servers of one era behind clients of the other, and what cannot cross, with the reason. */
const translations = [
  {
    server: 'legacy',
    revision: '2026-07-28',
    lost: {
      'input-required-result-basic-elicitation':
        'a legacy server asks under no name, so that the name is ours',
      'input-required-result-multiple-input-requests': 'a legacy server asks one thing after the other',
      'input-required-result-capability-check': 'the fixture asks in the modern way only',
      'http-custom-header-server-validation': 'headers that repeat arguments mean nothing behind a pipe',
    },
  },
  {
    server: 'modern',
    revision: '2025-11-25',
    lost: Object.fromEntries(
      [
        'tools-call-sampling',
        'tools-call-elicitation',
        'elicitation-sep1034-defaults',
        'elicitation-sep1330-enums',
      ].map((scenario) => [scenario, 'the fixture asks in the legacy way only']),
    ),
  },
] as const satisfies readonly { server: string; revision: string; lost: Record<string, string> }[]

const TASKS = 'tasks of the gateway, 2026-07-28'
/** Nobody is shown what a client answers to a task that runs: who lets it through knows what the server asks, as we do here. */
const knownQuestions = ['tasks/update']
/**
 * All of the fixture's tools that make tasks but one: a call that people decide about is a task from its beginning, so that a
 * server that asks before it makes a task (test_tool_with_task) can only do so where the call is let through.
 */
const gatedJobs = {
  default: 'allow',
  require_approval: ['slow_compute', 'failing_job', 'protocol_error_job', 'confirm_delete', 'multi_input'],
}
const taskScenarios = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
  'tasks-status-notifications',
  'tasks-mrtr-input',
  'tasks-required-task-error',
  'tasks-mrtr-composition',
]
let isEqual = true
const broken: string[] = []
const place = workplace()
try {
  await compareServers()
  for (const [revision, scenarios] of Object.entries(clientScenarios)) {
    for (const scenario of scenarios.filter(isWanted)) await compareClient(revision, scenario)
  }
} finally {
  place.remove()
}
console.log(isEqual ? '\nEvery check ends as it should.' : '\nThere are differences.')
if (broken.length > 0)
  console.log(`Failing without the gateway already, so that it proves nothing: ${broken.join(', ')}`)
process.exitCode = isEqual && broken.length === 0 ? 0 : 1

async function compareServers() {
  const fixture = await startFixture()
  const gateway = await startGateway(join(place.path, 'server'), {
    up: { url: fixture.url, methods: knownQuestions },
    legacy: stdioFixture('legacy'),
    modern: stdioFixture('modern'),
    gated: { url: fixture.url, policy: gatedJobs, methods: knownQuestions },
  })
  try {
    for (const revision of ['2025-11-25', '2026-07-28']) {
      const against = (url: string) => runServerSuite(url, revision, only === undefined ? null : isWanted)
      report(`server, ${revision}`, await against(fixture.url), await against(`${gateway.url}/mcp/up`))
    }
    await checkTasks(gateway)
    for (const { server, revision, lost } of translations) {
      const url = `${gateway.url}/mcp/${server}`
      const results = await runServerSuite(url, revision, only === undefined ? null : isWanted)
      reportTranslated(`a stdio server of the ${server} era, ${revision}`, results, lost)
    }
  } finally {
    await gateway.stop()
    await fixture.stop()
  }
}

/** Calls that people decide about are tasks of the gateway's, behind which the server's stand: checked as a server's are. */
async function checkTasks(gateway: StartedGateway) {
  const stopDeciding = startDeciding(gateway)
  try {
    const results = new Map<string, Scenario>()
    for (const scenario of taskScenarios.filter(isWanted)) {
      const args = [
        'server',
        '--url',
        `${gateway.url}/mcp/gated`,
        '--scenario',
        scenario,
        '--spec-version',
        '2026-07-28',
      ]
      for (const [name, checks] of await runSuite([...args, '--force'])) results.set(name, checks)
    }
    reportTranslated(TASKS, results, {})
  } finally {
    await stopDeciding()
  }
}

async function compareClient(revision: string, scenario: string) {
  const command = `${process.execPath} ${join(import.meta.dirname, 'client.ts')}`
  const args = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision]
  const both = async () => ({
    direct: await runSuite(args),
    through: await runSuite([...args, '--timeout', '90000'], { HOLDPOINT_PLACE: join(place.path, 'client') }),
  })
  const isAlike = ({ direct, through }: Awaited<ReturnType<typeof both>>) =>
    [...direct].every(([name, checks]) => differences(checks, through.get(name) ?? new Map()).length === 0)
  // Some of them measure times, which a busy machine stretches: what goes otherwise has to do so twice.
  const first = await both()
  const { direct, through } = isAlike(first) ? first : await both()
  report(`client, ${revision}`, direct, through)
}

/** Everything passes but what is known not to cross; what crosses after all must not be listed. */
function reportTranslated(title: string, results: Results, lost: Readonly<Record<string, string>>) {
  if (results.size === 0) return
  console.log(`\n${title}`)
  let count = 0
  for (const [name, checks] of results) {
    // Tasks of a server do not cross eras.
    if (name.startsWith('tasks-') && title !== TASKS) continue
    count += passed(checks)
    const isLost = failed(checks) > 0
    if (isLost) console.log(`  ${name}: ${failedChecks(checks).join(', ')}: ${lost[name] ?? 'NOT KNOWN'}`)
    // It waits half a second for what takes a new process: a client that can be asked other things has its own.
    if (name === 'server-stateless') continue
    if (isLost !== name in lost) {
      isEqual = false
      console.log(`≠ ${name} ${isLost ? 'does not cross' : 'crosses now: take it off the list'}`)
    }
  }
  console.log(`  ${count} checks passed`)
}

function report(title: string, direct: Results, through: Results) {
  const scenarios = [...new Set([...direct.keys(), ...through.keys()])].filter(isWanted)
  if (scenarios.length === 0) return
  console.log(`\n${title.padEnd(52)}direct      gateway`)
  for (const name of scenarios) {
    const [before, after] = [direct.get(name) ?? new Map(), through.get(name) ?? new Map()]
    const differing = differences(before, after)
    if (differing.length > 0) isEqual = false
    if (failed(before) > 0) broken.push(name)
    const counts = [before, after].map((checks) => `${passed(checks)}/${failed(checks)}`.padEnd(12)).join('')
    console.log(`${differing.length === 0 ? '=' : '≠'} ${name.padEnd(50)}${counts}`.trimEnd())
    for (const line of differing) console.log(`    ${line}`)
  }
  const total = (results: Results, count: typeof passed) =>
    [...results.values()].reduce((sum, checks) => sum + count(checks), 0)
  const sums = [direct, through]
    .map((results) => `${total(results, passed)}/${total(results, failed)}`.padEnd(12))
    .join('')
  console.log(`  ${'passed/failed'.padEnd(50)}${sums}`.trimEnd())
}
