/**
 * The official conformance suite, once straight against an upstream and once through the gateway: every check of every
 * scenario must end alike. Prints the comparison; `-- --only <part of a scenario's name>` runs less.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startFixture, startGateway, workplace } from './processes.ts'
import { differences, failed, passed, type Results, runSuite } from './suite.ts'

const { values: options } = parseArgs({ options: { only: { type: 'string' } } })
const isWanted = (scenario: string) => options.only === undefined || scenario.includes(options.only)

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
console.log(isEqual ? '\nEvery check ends alike.' : '\nThere are differences.')
if (broken.length > 0)
  console.log(`Failing without the gateway already, so that it proves nothing: ${broken.join(', ')}`)
process.exitCode = isEqual && broken.length === 0 ? 0 : 1

async function compareServers() {
  const fixture = await startFixture()
  const allowed = { url: fixture.url, policy: { version: '1', default: 'allow' } }
  const gateway = await startGateway(join(place.path, 'server'), { up: allowed })
  try {
    for (const revision of ['2025-11-25', '2026-07-28']) {
      const against = (url: string) => runSuite(['server', '--url', url, '--requirements', revision])
      report(`server, ${revision}`, await against(fixture.url), await against(`${gateway.url}/mcp/up`))
    }
  } finally {
    await gateway.stop()
    await fixture.stop()
  }
}

async function compareClient(revision: string, scenario: string) {
  const command = `${process.execPath} ${join(import.meta.dirname, 'client.ts')}`
  const args = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision]
  const direct = await runSuite(args)
  const through = await runSuite([...args, '--timeout', '90000'], {
    HOLDPOINT_PLACE: join(place.path, 'client'),
  })
  report(`client, ${revision}`, direct, through)
}

function report(title: string, direct: Results, through: Results) {
  const scenarios = [...new Set([...direct.keys(), ...through.keys()])].filter(isWanted)
  if (scenarios.length === 0) return
  console.log(`\n${title.padEnd(52)}direct      gateway`)
  for (const name of scenarios) {
    const [before, after] = [direct.get(name) ?? new Map(), through.get(name) ?? new Map()]
    const differing = differences(before, after)
    if (differing.length > 0) isEqual = false
    // Tasks are the gateway's to make, for calls that people decide about; the fixture makes none.
    if (failed(before) > 0 && !name.startsWith('tasks-')) broken.push(name)
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
