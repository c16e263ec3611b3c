/** The long runs, which `npm test` takes a slice of: `npm run crash`, `npm run chaos`. */
import { defineConfig } from 'vitest/config'
import { FailedLast } from '../support/failed-last.ts'

export default defineConfig({
  test: {
    root: '.',
    include: ['test/crash/*.run.ts'],
    globalSetup: ['test/support/postgres.ts'],
    reporters: ['default', new FailedLast()],
    pool: 'forks',
    maxWorkers: 1,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000, interval: 50 } },
  },
})
