/** `npm start`: every role in one process, on the configured stores or the embedded ones. */
import { hashToken, newToken } from '../auth/tokens.ts'
import { type Config, formatProblems, loadConfig, surroundings } from '../config.ts'
import { EmbeddedPostgresUnavailable } from '../ledger/embedded/unavailable.ts'
import type { CredentialStore } from '../ports/credentials.ts'
import type { Log } from '../ports/log.ts'
import type { QueueBackend } from '../queue/backend.ts'
import { createQueue, createWorkers } from '../queue/queues.ts'
import { banner } from './banner.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { forgetInstance, recordInstance, runningInstance } from './instance.ts'
import { type OpenLedger, openLedger } from './ledger.ts'
import { type Listener, listen } from './listen.ts'
import { createLog } from './log.ts'

/** Held requests are answered and calls that are being sent may finish; after this the process goes, as a crash would. */
const STOP_MS_MAX = 9_000

export interface Running {
  readonly url: string
  readonly config: Config
  /** A fresh token of the built-in local person, where there is one. */
  readonly localToken: string | null
  readonly ledger: string
  readonly queue: string
  readonly credentials: CredentialStore
  stop(): Promise<void>
}

/** Starts, prints, and stays until a signal. Problems of the configuration and the surroundings are told in words. */
export async function runStart(): Promise<void> {
  const loaded = loadConfig(surroundings())
  if (!loaded.ok) {
    process.stderr.write(`${formatProblems(loaded.error)}\n`)
    process.exitCode = 2
    return
  }
  const config = loaded.value
  const already = await runningInstance(config.dataDir)
  if (already !== null) {
    process.stdout.write(
      `Holdpoint is already running at ${already.url} (process ${already.pid}, ${config.dataDir}).\n`,
    )
    return
  }
  const log = createLog(config.logLevel, process.stderr.isTTY)
  let running: Running
  try {
    running = await start(config, log)
  } catch (error) {
    process.stderr.write(`${explain(error, config)}\n`)
    process.exitCode = 1
    return
  }
  process.stdout.write(banner(running))
  onSignal(async (signal) => {
    process.stdout.write(`\n${signal}: letting go of what is held, at most ${STOP_MS_MAX / 1_000} s …\n`)
    await running.stop()
    process.stdout.write('Stopped. Nothing is lost: paused calls are in the ledger.\n')
  }, log)
}

/** @throws with whatever kept it from starting; then nothing of it is left running */
export async function start(config: Config, log: Log): Promise<Running> {
  // The port first: two starts at once then cannot both go on to the stores.
  const listener = await listen(config.host, config.port)
  const undo: (() => Promise<void>)[] = [() => listener.closeAll()]
  try {
    const store = await openLedger(config, log)
    undo.unshift(() => store.close())
    const backend: QueueBackend =
      config.redisUrl === null
        ? { kind: 'postgres', connectionString: store.connectionString }
        : { kind: 'redis', url: config.redisUrl }
    const queue = await createQueue(backend, log)
    undo.unshift(() => queue.close())
    const workers = createWorkers(backend, log)
    undo.unshift(() => workers.close())

    const gateway = await startGateway({ config, port: listener.port, store, queue, workers, log })
    workers.attend(gateway.attend)
    listener.serve(gateway.app.fetch)
    const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listener.port}`
    const localToken = await freshLocalToken(config, store)
    await recordInstance(config.dataDir, url)
    return {
      url,
      config,
      localToken,
      ledger: store.description,
      credentials: store.credentials,
      queue: config.redisUrl === null ? 'BullMQ on the same PostgreSQL' : 'BullMQ on Redis',
      stop: () => stop({ config, listener, gateway, undo }),
    }
  } catch (error) {
    for (const step of undo) await step().catch(() => {})
    throw error
  }
}

async function stop(parts: {
  config: Config
  listener: Listener
  gateway: Gateway
  undo: readonly (() => Promise<void>)[]
}): Promise<void> {
  const { config, listener, gateway, undo } = parts
  await forgetInstance(config.dataDir)
  listener.close()
  await gateway.stop()
  // Workers before the queue, the queue before the ledger, the server last.
  for (const step of undo) await step()
}

/** A token is shown once; the one of the last start is void. */
async function freshLocalToken(config: Config, { credentials }: OpenLedger): Promise<string | null> {
  if (config.localPrincipal === null) return null
  const person = config.localPrincipal.owner
  const { token, hint } = newToken('person')
  await credentials.revoke('person', person)
  await credentials.add({ kind: 'person', name: person, owner: person, tokenHash: hashToken(token), hint })
  return token
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
    return `Port ${port} on ${host} is taken by another program. Stop it, or choose another port: PORT=${port + 1} npm start`
  }
  const reason = error instanceof Error ? error.message : String(error)
  const where = databaseUrl === null ? '' : ' Is DATABASE_URL right, and does the database answer?'
  return `Holdpoint could not start: ${reason}.${where}`
}
