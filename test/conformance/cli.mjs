/** `npm run conformance`: installs the official suite and the Node it runs on where they are missing, and starts the run. */
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
process.exitCode = run(node, [join(import.meta.dirname, 'run.ts'), ...process.argv.slice(2)])
