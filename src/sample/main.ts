/** A program of its own: the sample on stdin and stdout, its state where `NWORKS_SAMPLE_HOME` says, gone with stdin. */
import { randomBytes } from 'node:crypto'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { seed } from './seed.ts'
import { createSampleServer } from './server.ts'
import { openState } from './state.ts'

const home = process.env.NWORKS_SAMPLE_HOME
if (home === undefined || home === '') {
  console.error('nworks (sample): NWORKS_SAMPLE_HOME must name the directory that keeps the sample state')
  process.exit(2)
}

const nowMs = () => Date.now()
const newId = (prefix: string) => `${prefix}-${randomBytes(4).toString('hex')}`
const state = openState(home)
seed(state, nowMs())

const server = createSampleServer({ state, nowMs, newId })
process.stdin.once('end', () => void server.close())
// The reader of our answers is gone; there is nobody left to tell.
process.stdout.once('error', () => process.exit(0))
await server.connect(new StdioServerTransport())
