#!/usr/bin/env node
/** `holdpoint <command>`. */
import { terminalIo } from './commands/io.ts'
import { outside } from './commands/outside.ts'
import { run } from './commands/program.ts'
import { surroundings } from './config.ts'

const here = surroundings()
const io = terminalIo(here)
try {
  const code = await run(process.argv.slice(2), { io, surroundings: here, ...outside(io) })
  if (code !== null) process.exitCode = code
} catch (error) {
  // The ledger, a full disk: nothing a command could have put better. The message is for people, the stack for a report.
  io.err(error instanceof Error ? error.message : String(error))
  if (here.env.LOG_LEVEL === 'debug' && error instanceof Error) io.err(error.stack ?? '')
  process.exitCode = 1
}
