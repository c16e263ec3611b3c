/** A process that runs one role beside the gateways: it stands on shared stores, answers probes, and stops gracefully. */
import { createHealth } from '../api/health.ts'
import { type Config, loadConfigWithoutUpstreams, type Role, surroundings } from '../config.ts'
import { err } from '../domain/result.ts'
import { ENVIRONMENT } from '../files/problem.ts'
import type { Log } from '../ports/log.ts'
import { createNewerForms, type NewerForms } from '../services/newer-forms.ts'
import { clock } from './clock.ts'
import type { Decorate } from './decorate.ts'
import { listen } from './listen.ts'
import { runProcess, type Started } from './process.ts'
import { openStores, type Stores } from './stores.ts'

export interface WorkerParts {
  readonly config: Config
  readonly stores: Stores
  readonly decorate: Decorate
  readonly log: Log
  /** Aborts when the process should end. */
  readonly stopping: AbortSignal
}

/** Begins the work of a role. @returns a promise that resolves when, after `stopping`, nothing of it goes on */
export type Begin = (parts: WorkerParts) => Promise<{ readonly ended: Promise<unknown> }>

/** Stays until a signal. */
export async function runWorker(
  role: Exclude<Role, 'gateway'>,
  begin: Begin,
  decorate: Decorate,
): Promise<void> {
  const loaded = loadConfigWithoutUpstreams(surroundings())
  // The embedded database belongs to the one process that started it and ends with it.
  const isShared = !loaded.ok || loaded.value.databaseUrl !== null
  const problem = {
    file: ENVIRONMENT,
    line: null,
    column: null,
    path: 'DATABASE_URL',
    message: `the ${role} worker needs the database that the gateways use`,
    remedy:
      'set DATABASE_URL for gateways and workers alike; with the embedded database, npm start does all the work',
  }
  await runProcess(isShared ? loaded : err([problem]), (config, log) =>
    startWorker({ role, begin, decorate, config, log }),
  )
}

async function startWorker(worker: {
  role: Role
  begin: Begin
  decorate: Decorate
  config: Config
  log: Log
}): Promise<Started> {
  const { role, begin, decorate, config, log } = worker
  const { host, probePort } = config
  const listener = probePort === null ? null : await listen(host, probePort)
  const undo: (() => Promise<void>)[] = [async () => listener?.closeAll()]
  const stopping = new AbortController()
  const stop = async () => {
    stopping.abort()
    listener?.close()
    for (const step of undo.splice(0)) await step()
  }
  try {
    const opened = await openStores(config, log)
    undo.unshift(() => opened.close())
    const stores = decorate.stores(opened)
    const newerForms = createNewerForms({ ledger: stores.store.ledger, clock, log })
    const { ended } = await begin({ config, stores, decorate, log, stopping: stopping.signal })
    const looking = newerForms.keep(stopping.signal)
    undo.unshift(async () => {
      await Promise.all([ended, looking])
    })
    listener?.serve(probes(stores, newerForms, stopping.signal, log).fetch)
    const { store, queueDescription } = stores
    return {
      greeting: `Holdpoint ${role} worker is running: ledger ${store.description}; queue ${queueDescription}\n`,
      stop,
    }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}

/** `/healthz` and `/readyz` at PORT, for compose and the like. */
function probes({ store, queueTrouble }: Stores, newerForms: NewerForms, stopping: AbortSignal, log: Log) {
  return createHealth({
    checks: [
      { name: 'running', missing: async () => (stopping.aborted ? 'this worker is stopping' : null) },
      {
        name: 'ledger',
        async missing() {
          const trouble = store.pulse.trouble()
          if (trouble === null) await store.ledger.nowMs()
          return trouble
        },
      },
    ],
    hints: [
      { name: 'queue', missing: async () => queueTrouble() },
      { name: 'records', missing: newerForms.gap },
    ],
    log,
  })
}
