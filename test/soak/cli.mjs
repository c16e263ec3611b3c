/** `npm run soak -- --minutes M`; with `--leak <streams|timers|descriptors>` it must find what is made to leak. */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, leak: { type: 'string' } } })
const env = {
  ...process.env,
  SOAK_MINUTES: values.minutes ?? '2',
  ...(values.leak === undefined ? {} : { HOLDPOINT_SOAK_LEAK: values.leak }),
}
const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/soak/vitest.config.ts']
process.exitCode = spawnSync(process.execPath, vitest, { env, stdio: 'inherit' }).status ?? 1
