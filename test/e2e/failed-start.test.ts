/** A process that could not start ends, whatever is left of it: who watches it starts it again, and one that stays looks alive. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const built = pathToFileURL(resolve(import.meta.dirname, '../../dist/src/launch/process.js')).href

test('says why and exits with 1, also where a connection or a timer is left', async () => {
  const script = `
    import { runProcess } from '${built}'
    setInterval(() => {}, 1_000)
    const config = { logLevel: 'info', databaseUrl: 'postgres://ledger', host: '127.0.0.1', port: 8484 }
    await runProcess({ ok: true, value: config }, async () => {
      throw new Error('terminating connection due to administrator command')
    })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const [code] = await once(child, 'close')
  expect(code).toBe(1)
  expect(said).toContain('Holdpoint could not start: terminating connection due to administrator command.')
})
