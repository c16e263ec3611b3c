/** `npm run clients`: install other people's clients and the Node that they run on, where they are missing, and run. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const suite = join(import.meta.dirname, 'suite')
const modules = join(suite, 'node_modules')
const node = join(modules, 'node/bin/node')
const lock = join(suite, 'package-lock.json')
const installed = join(modules, '.installed-lock.json')
const run = (program, args, cwd) => spawnSync(program, args, { stdio: 'inherit', cwd }).status ?? 1

/** Of all the install scripts two are needed, which put a binary where the package has its command; the others compile. */
function install() {
  const steps = [
    ['npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], suite],
    [process.execPath, ['installArchSpecificPackage.js'], join(modules, 'node')],
    [process.execPath, ['install.cjs'], join(modules, '@anthropic-ai/claude-code')],
  ]
  if (!steps.every(([program, args, cwd]) => run(program, args, cwd) === 0)) return false
  copyFileSync(lock, installed)
  return true
}

const isCurrent = existsSync(installed) && readFileSync(installed).equals(readFileSync(lock))
if (!isCurrent && !install()) {
  console.error(
    'The clients could not be installed. They need the npm registry once, and 1.2 GB on this disk.',
  )
  process.exit(1)
}
process.exitCode = run(node, [join(import.meta.dirname, 'run.ts'), ...process.argv.slice(2)])
