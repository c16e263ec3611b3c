/** `npm run sim -- --seeds 2000`; a failing seed replays with `-- --seed N`. */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { seeds: { type: 'string' }, seed: { type: 'string' } },
})
const SIM_SEED = values.seed ?? '1'
const SIM_SEEDS = values.seeds ?? (values.seed === undefined ? '200' : '1')
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/sim/simulation.test.ts'],
  {
    env: { ...process.env, SIM_SEED, SIM_SEEDS },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
