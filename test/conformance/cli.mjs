/** `npm run conformance` and `npm run differential`: install the official suite and its Node where they are missing, and run. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const suite = join(import.meta.dirname, 'suite')
const node = join(suite, 'node_modules/node/bin/node')
const run = (program, args, options = {}) =>
  spawnSync(program, args, { stdio: 'inherit', ...options }).status ?? 1

// The package `node` fetches its binary in an install script; nothing else here has one.
if (
  !existsSync(node) &&
  run('npm', ['ci', '--no-audit', '--no-fund', '--foreground-scripts'], { cwd: suite }) !== 0
) {
  console.error('The conformance suite could not be installed. It needs the npm registry once.')
  process.exit(1)
}
const [program = 'run.ts', ...args] = process.argv.slice(2)
process.exitCode = run(node, [join(import.meta.dirname, program), ...args])
