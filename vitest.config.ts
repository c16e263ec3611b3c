/** How tests run: real processes and a real PostgreSQL, on machines that may have two cores. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['dist/**', '**/node_modules/**'],
    globalSetup: ['test/support/postgres.ts'],
    // Test files start servers and kill them: each needs a process of its own.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
