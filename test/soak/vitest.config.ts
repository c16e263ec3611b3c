/** `npm run soak`: rounds of everything, for as long as is asked. */
import { defineConfig } from 'vitest/config'
import { FailedLast } from '../support/failed-last.ts'

export default defineConfig({
  test: {
    root: '.',
    include: ['test/soak/*.run.ts'],
    globalSetup: ['test/support/postgres.ts'],
    reporters: ['default', new FailedLast()],
    pool: 'forks',
    maxWorkers: 1,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000, interval: 50 } },
  },
})
