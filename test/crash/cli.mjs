/**
 * `npm run crash -- --trials N --seed S --point NAME --signal kill|stop --only INDEX` and
 * `npm run chaos -- --minutes M --calls N --seed S`; a failing seed is printed and replays.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trials: { type: 'string' },
    seed: { type: 'string' },
    point: { type: 'string' },
    signal: { type: 'string' },
    only: { type: 'string' },
    mutant: { type: 'string' },
    minutes: { type: 'string' },
    calls: { type: 'string' },
  },
})
const [run = 'crash'] = positionals
const asked = {
  CRASH_TRIALS: values.trials,
  CRASH_SEED: values.seed,
  CRASH_POINT: values.point,
  CRASH_SIGNAL: values.signal,
  CRASH_ONLY: values.only,
  CRASH_MUTANT: values.mutant,
  CHAOS_MINUTES: values.minutes,
  CHAOS_CALLS: values.calls,
}
const env = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'test/crash/vitest.config.ts',
    `test/crash/${run}.run.ts`,
  ],
  { env: { ...process.env, ...env }, stdio: 'inherit' },
)
process.exitCode = status ?? 1
