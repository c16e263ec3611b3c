#!/usr/bin/env node
/** `holdpoint <command>`. */
import { tooOld } from './node-version.ts'

const complaint = tooOld(process.versions.node)
if (complaint === null) await main()
else {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
}

/** Imports only now: an older Node.js fails while it loads the rest, with a stack that says nothing. */
async function main(): Promise<void> {
  const { terminalIo } = await import('./commands/io.ts')
  const { outside } = await import('./commands/outside.ts')
  const { run } = await import('./commands/program.ts')
  const { surroundings } = await import('./config.ts')
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
}
