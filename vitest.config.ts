/** How tests run: real processes and a real PostgreSQL, on machines that may have two cores and be busy with something else. */
import { defineConfig } from 'vitest/config'
import { FailedLast } from './test/support/failed-last.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['dist/**', '**/node_modules/**'],
    globalSetup: ['test/support/postgres.ts'],
    // The last lines of a log are what people see of it.
    reporters: ['default', new FailedLast()],
    // Test files start servers and kill them: each needs a process of its own.
    pool: 'forks',
    maxWorkers: 2,
    // How long a test may take says nothing about the product. These only end what hangs, on the slowest machine there is.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    // A condition is waited for, and looked at often.
    expect: { poll: { timeout: 60_000, interval: 50 } },
  },
})
