/** Runs the official suite and reads what it found: for each scenario, how often each check came to which end. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const main = join(import.meta.dirname, 'suite/node_modules/@modelcontextprotocol/conformance/dist/index.js')

/** `check id: SUCCESS`, and how many times. What is only information is left out. */
export type Scenario = ReadonlyMap<string, number>
export type Results = ReadonlyMap<string, Scenario>

/** @param args of the suite's command line, without its output directory */
export async function runSuite(args: readonly string[], env: Record<string, string> = {}): Promise<Results> {
  const output = mkdtempSync(join(tmpdir(), 'conformance-'))
  try {
    const said = await finished([...args, '--output-dir', output], env)
    const results = resultsIn(output)
    if (results.size === 0) throw new Error(`the suite checked nothing:\n${said}`)
    return results
  } finally {
    rmSync(output, { recursive: true, force: true })
  }
}

/** What a revision asks of a server. @param isWanted which of its scenarios to run */
export async function runServerSuite(
  url: string,
  revision: string,
  isWanted: ((scenario: string) => boolean) | null,
): Promise<Results> {
  if (isWanted === null) return runSuite(['server', '--url', url, '--requirements', revision])
  const results = new Map<string, Scenario>()
  // A whole set of requirements cannot be narrowed down.
  for (const scenario of (await serverScenarios(revision)).filter(isWanted)) {
    const args = ['server', '--url', url, '--scenario', scenario, '--spec-version', revision, '--force']
    for (const [name, checks] of await runSuite(args)) results.set(name, checks)
  }
  return results
}

async function serverScenarios(revision: string): Promise<string[]> {
  const said = await finished(['list', '--requirements', revision], {})
  const scored = /^Server scenarios.*\n((?:\s+- .*\n)*)/m.exec(said)?.[1] ?? ''
  const names = [...scored.matchAll(/- (\S+)/g), ...said.matchAll(/- (\S+) \[server\]/g)]
  return names.flatMap(([, name]) => (name === undefined ? [] : [name]))
}

function finished(args: readonly string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  // Its exit code says only whether something failed; what failed is in the files.
  return new Promise((done) => child.once('exit', () => done(said.join(''))))
}

function resultsIn(output: string): Results {
  const results = new Map<string, Map<string, number>>()
  for (const directory of readdirSync(output)) {
    const name = directory.replace(/^(server|client)-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '')
    const counts = new Map<string, number>()
    for (const check of JSON.parse(readFileSync(join(output, directory, 'checks.json'), 'utf8'))) {
      if (check.status === 'INFO') continue
      const end = `${check.id}: ${check.status}`
      counts.set(end, (counts.get(end) ?? 0) + 1)
    }
    results.set(name, counts)
  }
  return results
}

export function passed(scenario: Scenario): number {
  return ending(scenario, 'SUCCESS')
}

export function failed(scenario: Scenario): number {
  return ending(scenario, 'FAILURE')
}

/** Ids of the checks that failed. */
export function failedChecks(scenario: Scenario): string[] {
  const end = ': FAILURE'
  return [...scenario.keys()]
    .filter((check) => check.endsWith(end))
    .map((check) => check.slice(0, -end.length))
}

function ending(scenario: Scenario, status: string): number {
  let count = 0
  for (const [check, times] of scenario) if (check.endsWith(`: ${status}`)) count += times
  return count
}

/** What ended otherwise in the second run, as lines for people. */
export function differences(direct: Scenario, through: Scenario): string[] {
  const checks = new Set([...direct.keys(), ...through.keys()])
  return [...checks]
    .filter((check) => direct.get(check) !== through.get(check))
    .map(
      (check) =>
        `${check}: ${direct.get(check) ?? 0} times directly, ${through.get(check) ?? 0} through the gateway`,
    )
}
