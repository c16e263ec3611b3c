/** The GitHub Action file of policies/README.md, run: its steps as shell, in an example repository with policies and test tables. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const repository = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(repository, 'policies/README.md'), 'utf8')
const [, text = ''] = /```yaml\n(# \.github\/workflows\/policies\.yml\n.*?)```/s.exec(page) ?? []
const workflowShape = z.object({
  on: z.unknown(),
  jobs: z.record(
    z.string(),
    z.object({
      'runs-on': z.string(),
      steps: z.array(
        z.union([
          z.strictObject({ uses: z.string(), with: z.record(z.string(), z.unknown()).optional() }),
          z.strictObject({ run: z.string(), name: z.string().optional() }),
        ]),
      ),
    }),
  ),
})
const workflow = workflowShape.parse(parse(text))
const steps = Object.values(workflow.jobs).flatMap((job) => job.steps)

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'action-'))
  const write = (name: string, content: string) => {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  // Holdpoint among the dependencies, as the page says: a package of its name, whose program is the one that was built here.
  write(
    'vendor/holdpoint/package.json',
    JSON.stringify({ name: 'holdpoint', version: '0.1.0', type: 'module', bin: { holdpoint: 'bin.js' } }),
  )
  const cli = join(repository, 'dist/src/cli.js')
  write('vendor/holdpoint/bin.js', `#!/usr/bin/env node\nawait import(${JSON.stringify(cli)})\n`)
  const root = { name: 'example', version: '1.0.0', dependencies: { holdpoint: 'file:vendor/holdpoint' } }
  write('package.json', JSON.stringify(root))
  write(
    'package-lock.json',
    JSON.stringify({
      ...{ name: 'example', version: '1.0.0', lockfileVersion: 3, requires: true },
      packages: {
        '': root,
        'node_modules/holdpoint': { resolved: 'vendor/holdpoint', link: true },
        'vendor/holdpoint': { name: 'holdpoint', version: '0.1.0', bin: { holdpoint: 'bin.js' } },
      },
    }),
  )
  for (const name of ['github', 'stripe']) {
    for (const file of [`${name}.yaml`, `${name}.test.yaml`]) {
      write(`policies/${file}`, readFileSync(join(repository, 'policies', file), 'utf8'))
    }
  }
})

/** As a runner does: each step in a shell that ends at the first failure. */
function runAll(): { code: number; output: string } {
  let output = ''
  for (const step of steps) {
    if (!('run' in step)) continue
    const env = { PATH: process.env.PATH ?? '', HOME: directory, CI: 'true', npm_config_offline: 'true' }
    const ran = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', step.run], {
      cwd: directory,
      env,
      encoding: 'utf8',
    })
    output += `${ran.stdout}${ran.stderr}`
    if (ran.status !== 0) return { code: ran.status ?? -1, output }
  }
  return { code: 0, output }
}

test('it runs on pushes, on a version of Node.js that Holdpoint runs on, with actions that exist', () => {
  expect(workflow.on).toEqual(['push', 'pull_request'])
  const used = steps.flatMap((step) => ('uses' in step ? [step] : []))
  expect(used.map(({ uses }) => uses)).toEqual(['actions/checkout@v4', 'actions/setup-node@v4'])
  expect(Number(used[1]?.with?.['node-version'])).toBeGreaterThanOrEqual(20)
  expect(steps.filter((step) => 'run' in step)).toHaveLength(2)
})

test('its steps pass on policies whose tables hold', () => {
  const { code, output } = runAll()
  expect([code, output]).toEqual([0, expect.stringContaining('policies/github.yaml')])
  expect(output).toContain('policies/stripe.yaml')
})

test('they fail where one table does not hold, and where a policy does not load', () => {
  const table = join(directory, 'policies/github.test.yaml')
  const before = readFileSync(table, 'utf8')
  writeFileSync(table, before.replace('→ allow', '→ deny'))
  const broken = runAll()
  expect([broken.code, broken.output]).toEqual([1, expect.stringMatching(/actions_get +deny +allow by/)])
  writeFileSync(table, before)
  writeFileSync(join(directory, 'policies/stripe.yaml'), 'default: alow\n')
  const unread = runAll()
  expect(unread.code).toBeGreaterThan(0)
  expect(unread.output).toContain('stripe.yaml')
})
