/** `npm start`: a gateway and whichever other roles it is given, in one process, on the configured stores or the embedded ones. */
import { issueLinkCode, signInLink } from '../auth/link-code.ts'
import { hashToken, newToken } from '../auth/tokens.ts'
import { type Config, loadConfig, surroundings } from '../config.ts'
import type { CredentialStore } from '../ports/credentials.ts'
import type { Log } from '../ports/log.ts'
import { banner } from './banner.ts'
import { type Decorate, undecorated } from './decorate.ts'
import { beginDeliveries } from './deliveries.ts'
import { startGateway } from './gateway.ts'
import { forgetInstance, recordInstance, runningInstance } from './instance.ts'
import type { OpenLedger } from './ledger.ts'
import { type Listener, listen } from './listen.ts'
import { runProcess } from './process.ts'
import { openStores } from './stores.ts'

export interface Running {
  readonly url: string
  readonly config: Config
  /** A fresh token of the built-in local person, where there is one. */
  readonly localToken: string | null
  /** A one-time link by which that person signs in to the console. */
  readonly signInLink: string | null
  readonly ledger: string
  readonly queue: string
  readonly credentials: CredentialStore
  stop(): Promise<void>
}

/** Starts, prints, and stays until a signal. */
export async function runStart(decorate: Decorate = undecorated): Promise<void> {
  await runProcess(loadConfig(surroundings()), async (config, log) => {
    const already = await runningInstance(config.dataDir)
    if (already !== null) {
      return `Holdpoint is already running at ${already.url} (process ${already.pid}, ${config.dataDir}).`
    }
    const running = await start(config, log, decorate)
    return { greeting: banner(running), stop: running.stop }
  })
}

/** @throws with whatever kept it from starting; then nothing of it is left running */
export async function start(config: Config, log: Log, decorate: Decorate = undecorated): Promise<Running> {
  // The port first: two starts at once then cannot both go on to the stores.
  const listener = await listen(config.host, config.port)
  const undo: (() => Promise<void>)[] = [() => listener.closeAll()]
  try {
    const opened = await openStores(config, log)
    undo.unshift(() => opened.close())
    const stores = decorate.stores(opened)
    const { store, workers } = stores

    const gateway = await startGateway({ config, port: listener.port, ...stores, decorate, log })
    if (config.roles.has('approvals')) workers.attend(gateway.attend)
    const stopping = new AbortController()
    if (config.roles.has('deliveries')) {
      const { ended } = await beginDeliveries({
        config,
        stores,
        decorate,
        log,
        stopping: stopping.signal,
      })
      // Cards go on until the gateway has stopped, so that they show its last word.
      undo.unshift(async () => {
        stopping.abort()
        await ended
      })
    }
    undo.unshift(() => gateway.stop())
    listener.serve(gateway.app.fetch)
    const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listener.port}`
    const localToken = await freshLocalToken(config, store)
    const code =
      config.localPrincipal === null
        ? null
        : await issueLinkCode(store.identities, config.localPrincipal.owner)
    await recordInstance(config.dataDir, url)
    return {
      url,
      config,
      localToken,
      signInLink: code === null ? null : signInLink(config.publicUrl?.href ?? url, code),
      ledger: store.description,
      credentials: store.credentials,
      queue: stores.queueDescription,
      stop: () => stop({ config, listener, undo }),
    }
  } catch (error) {
    for (const step of undo) await step().catch(() => {})
    throw error
  }
}

async function stop(parts: {
  config: Config
  listener: Listener
  undo: readonly (() => Promise<void>)[]
}): Promise<void> {
  const { config, listener, undo } = parts
  await forgetInstance(config.dataDir)
  listener.close()
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
