/**
 * Preloaded into a process of Holdpoint (`NODE_OPTIONS=--import`): from SIGUSR2 on its event loop stands still, as under an endless
 * computation, until the file named by BLOCKED_UNTIL is there. Sockets stay open, no timer fires, nothing is renewed.
 */
import { existsSync, writeFileSync } from 'node:fs'

const until = process.env.BLOCKED_UNTIL ?? ''
const cell = new Int32Array(new SharedArrayBuffer(4))

process.on('SIGUSR2', () => {
  writeFileSync(`${until}.begun`, '')
  while (!existsSync(until)) Atomics.wait(cell, 0, 0, 50)
})
