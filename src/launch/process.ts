/** A process from its first line to its last: configuration, log, start, signals, graceful stop. Problems are told in words. */
import { type Config, formatProblems, type Problem } from '../config.ts'
import type { Result } from '../domain/result.ts'
import { EmbeddedPostgresUnavailable } from '../ledger/embedded/unavailable.ts'
import type { Log } from '../ports/log.ts'
import { createLog } from './log.ts'

/** Held requests are answered and calls that are being sent may finish; after this the process goes, as a crash would. */
const STOP_MS_MAX = 9_000

export interface Started {
  /** What the terminal shows once everything runs. */
  readonly greeting: string
  stop(): Promise<void>
}

/** Starts, prints, and stays until a signal. `start` answers with a sentence where there is nothing to run. */
export async function runProcess(
  loaded: Result<Config, Problem[]>,
  start: (config: Config, log: Log) => Promise<Started | string>,
): Promise<void> {
  if (!loaded.ok) {
    process.stderr.write(`${formatProblems(loaded.error)}\n`)
    process.exitCode = 2
    return
  }
  const config = loaded.value
  const log = createLog(config.logLevel, process.stderr.isTTY)
  let started: Started | string
  try {
    started = await start(config, log)
  } catch (error) {
    // What was begun is undone. Whatever still keeps the process must not: somebody waits for its end to start it again.
    process.stderr.write(`${explain(error, config)}\n`, () => process.exit(1))
    return
  }
  if (typeof started === 'string') {
    process.stdout.write(`${started}\n`)
    return
  }
  const { greeting, stop } = started
  onSignal(async (signal) => {
    process.stdout.write(`\n${signal}: letting go of what is held, at most ${STOP_MS_MAX / 1_000} s …\n`)
    await stop()
    process.stdout.write('Stopped. Nothing is lost: paused calls are in the ledger.\n')
  }, log)
  // Last: whoever reads it may stop this process in the same moment.
  process.stdout.write(greeting)
}

function onSignal(stop: (signal: string) => Promise<void>, log: Log): void {
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A terminal's Ctrl-C reaches npm and us; npm passes it on as well.
      if (isStopping) return
      isStopping = true
      setTimeout(() => {
        log.error({}, 'stopping took too long; leaving as after a crash, which loses nothing')
        process.exit(1)
      }, STOP_MS_MAX).unref()
      stop(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'stopping failed; leaving as after a crash, which loses nothing')
          process.exit(1)
        },
      )
    })
  }
}

function explain(error: unknown, { host, port, databaseUrl }: Config): string {
  if (error instanceof EmbeddedPostgresUnavailable) return error.message
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `Port ${port} on ${host} is taken by another program. Stop it, or choose another port, such as PORT=${port + 1}`
  }
  const reason = error instanceof Error ? error.message : String(error)
  const where = databaseUrl === null ? '' : ' Is DATABASE_URL right, and does the database answer?'
  return `Holdpoint could not start: ${reason}.${where}`
}
