/** The very end of a run's output: which tests failed and how, for logs of which people see the end alone. */
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'

const MESSAGE_LINES_MAX = 6

export class FailedLast implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests('failed')])
    const broken = modules.filter((module) => module.errors().length > 0)
    // A suite whose hook failed: its tests count as skipped.
    const suites = modules.flatMap((module) => [...module.children.allSuites()])
    const hooks = suites.filter((suite) => suite.errors().length > 0)
    if (tests.length + broken.length + hooks.length + unhandled.length === 0) return
    const lines = [
      ...tests.map((test) => said(nameOf(test), test.result().errors ?? [])),
      ...broken.map((module) => said(module.relativeModuleId, module.errors())),
      ...hooks.map((suite) => said(`${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors())),
      ...unhandled.map((error) => said('outside of any test', [error])),
    ]
    process.stdout.write(`\nWhat failed:\n${lines.join('')}\n`)
  }
}

const nameOf = (test: TestCase) => `${test.module.relativeModuleId} > ${test.fullName}`

function said(name: string, errors: readonly { readonly message: string }[]): string {
  const message = errors.map((error) => error.message).join('\n')
  const shown = message.split('\n').slice(0, MESSAGE_LINES_MAX)
  return `  ${name}\n${shown.map((line) => `      ${line}\n`).join('')}`
}
