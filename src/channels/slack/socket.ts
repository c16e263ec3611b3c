/**
 * Slack over a socket that we open: no address of ours has to be reachable. Connects in the background and again
 * whenever the connection ends; Slack being away is never our end.
 */
import { type App, SocketModeReceiver } from '@slack/bolt'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { clientOptions, quietLogger } from './client.ts'

/** Slack wants a connection within 30 s of handing out its address; nothing that takes longer will come. */
const CONNECT_MS_MAX = 15_000
/** Between attempts: cards are back soon after Slack is, and Slack allows twenty attempts a minute. */
const PAUSE_MS = 3_500

/** Runs until `stopping` aborts; never rejects. */
export async function keepSocket(deps: {
  app: App
  appToken: string
  apiUrl: string | null
  clock: Clock
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { app, appToken, apiUrl, clock, stopping, log } = deps
  let said = ''
  while (!stopping.aborted) {
    const receiver = new SocketModeReceiver({
      appToken,
      logger: quietLogger(log),
      // Bolt's own reconnecting ends the process by an unhandled rejection when Slack cannot be reached; ours does not.
      autoReconnectEnabled: false,
      installerOptions: { clientOptions: clientOptions(apiUrl, log) },
      // Not acknowledged, so that the person who clicked sees that it did not work.
      processEventErrorHandler: async () => false,
    })
    receiver.init(app)
    const ended = new Promise<void>((resolve) => receiver.client.once('disconnected', () => resolve()))
    const stop = new AbortController()
    const either = AbortSignal.any([stopping, stop.signal])
    let isConnected = false
    try {
      const started = receiver.start()
      // Whoever loses a race must not be an unhandled rejection later.
      started.catch(() => {})
      await Promise.race([started, failAfter(clock, CONNECT_MS_MAX, either)])
      isConnected = true
      said = ''
      log.info({}, 'connected to Slack over Socket Mode')
      await Promise.race([ended, clock.sleep(FOREVER_MS, either)])
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== said) log.warn({ reason }, 'Slack cannot be reached over Socket Mode; trying again')
      said = reason
    }
    stop.abort()
    await receiver.stop().catch(() => {})
    // After Slack's own refresh the next connection follows at once.
    if (!isConnected) await clock.sleep(PAUSE_MS, stopping)
  }
}

/** The longest a timer of Node.js can wait. */
const FOREVER_MS = 2 ** 31 - 1

async function failAfter(clock: Clock, ms: number, signal: AbortSignal): Promise<never> {
  await clock.sleep(ms, signal)
  throw new Error(signal.aborted ? 'stopping' : 'the connection took too long')
}
