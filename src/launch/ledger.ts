/** Opens the ledger: the configured PostgreSQL, or the embedded one, started or adopted. Closes it again without harming others. */
import type { Socket } from 'node:net'
import type { Config } from '../config.ts'
import { ACCOUNTS_CHANNEL, createAccounts } from '../ledger/accounts.ts'
import { createCards } from '../ledger/cards.ts'
import { createPool, durabilityGap, failoverGap, migrate } from '../ledger/connect.ts'
import { createCounters } from '../ledger/counters.ts'
import { CREDENTIALS_CHANNEL, createCredentials } from '../ledger/credentials.ts'
import { createDecisionLog } from '../ledger/decision-log.ts'
import { startEmbeddedPostgres } from '../ledger/embedded/start.ts'
import { createIdentities } from '../ledger/identities.ts'
import { createNotices } from '../ledger/notices.ts'
import { createNotifications } from '../ledger/notifications.ts'
import { createNudges } from '../ledger/nudges.ts'
import { createOutcomes } from '../ledger/outcomes.ts'
import { createLedger } from '../ledger/postgres-ledger.ts'
import { type Pulse, takePulse } from '../ledger/pulse.ts'
import { createRevisions, REVISIONS_CHANNEL } from '../ledger/revisions.ts'
import { sealAuditEvents } from '../ledger/sealer.ts'
import { createSetUpCards } from '../ledger/set-up-cards.ts'
import { sharedKey } from '../ledger/shared-key.ts'
import { createSockets } from '../ledger/sockets.ts'
import { createStops, STOPS_CHANNEL } from '../ledger/stops.ts'
import { createToolPins } from '../ledger/tool-pins.ts'
import { createWakeUps, WAKE_UP_CHANNEL } from '../ledger/wake-ups.ts'
import type { AccountStore } from '../ports/accounts.ts'
import type { Cards } from '../ports/cards.ts'
import type { Counters } from '../ports/counters.ts'
import type { CredentialStore } from '../ports/credentials.ts'
import type { DecisionLog } from '../ports/decision-log.ts'
import type { Identities } from '../ports/identities.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Notices } from '../ports/notices.ts'
import type { Nudges } from '../ports/nudges.ts'
import type { Outcomes } from '../ports/outcomes.ts'
import type { Revisions } from '../ports/revisions.ts'
import type { SetUpCards } from '../ports/set-up-cards.ts'
import type { Stops } from '../ports/stops.ts'
import type { ToolPins } from '../ports/tool-pins.ts'
import type { WakeUps } from '../ports/wake-ups.ts'

export interface OpenLedger {
  readonly ledger: Ledger
  readonly counters: Counters
  readonly decisionLog: DecisionLog
  readonly credentials: CredentialStore
  readonly cards: Cards
  readonly notices: Notices
  readonly nudges: Nudges
  readonly setUpCards: SetUpCards
  readonly outcomes: Outcomes
  readonly identities: Identities
  readonly accounts: AccountStore
  readonly revisions: Revisions
  readonly toolPins: ToolPins
  readonly stops: Stops
  readonly wakeUps: WakeUps
  readonly connectionString: string
  /** Whether it answers now. */
  readonly pulse: Pick<Pulse, 'silence' | 'trouble' | 'nowMs' | 'whileAnswering'>
  /** For others that connect to the same database: their dead connections are found as well. */
  openSocket(): Socket
  /** What runs where, for people. */
  readonly description: string
  sharedKey(name: string): Promise<Buffer>
  seal(): Promise<number>
  /** What keeps the ledger from remembering what it has said; `null` when nothing does. */
  durabilityGap(): Promise<string | null>
  /** What a failover could make it forget; `null` when nothing. */
  failoverGap(): Promise<string | null>
  close(): Promise<void>
}

/** Their own, because calls that are counted together wait for each other, and approvals must not wait with them. */
const COUNTERS_CONNECTIONS_MAX = 3
/** Its own, because nothing may wait for what nothing depends on: one writes, one reads. */
const DECISION_LOG_CONNECTIONS_MAX = 2

/** @throws EmbeddedPostgresUnavailable, or the connection's error, with a remedy in its message */
export async function openLedger(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  log: Log,
): Promise<OpenLedger> {
  const server =
    config.databaseUrl === null ? await startEmbeddedPostgres({ dataDir: config.dataDir, log }) : null
  const connectionString = config.databaseUrl ?? server?.connectionString ?? ''
  await migrate(connectionString)
  const sockets = createSockets()
  const pulse = await takePulse(connectionString, sockets, log)
  const watched = { sockets, silence: pulse.silence }
  const pool = createPool(connectionString, log, watched)
  const countersPool = createPool(connectionString, log, watched, COUNTERS_CONNECTIONS_MAX)
  const logPool = createPool(connectionString, log, watched, DECISION_LOG_CONNECTIONS_MAX)
  const channels = [WAKE_UP_CHANNEL, CREDENTIALS_CHANNEL, REVISIONS_CHANNEL, STOPS_CHANNEL, ACCOUNTS_CHANNEL]
  const notifications = await createNotifications(connectionString, pool, channels, log, sockets)

  return {
    ledger: createLedger(pool),
    counters: createCounters(countersPool),
    decisionLog: createDecisionLog(logPool),
    credentials: createCredentials(pool, notifications),
    cards: createCards(pool),
    notices: createNotices(pool),
    nudges: createNudges(pool),
    setUpCards: createSetUpCards(pool),
    outcomes: createOutcomes(pool),
    identities: createIdentities(pool),
    accounts: createAccounts(pool, notifications),
    revisions: createRevisions(pool, notifications),
    toolPins: createToolPins(pool),
    stops: createStops(pool, notifications),
    wakeUps: createWakeUps(notifications),
    connectionString,
    pulse,
    openSocket: sockets.open,
    description:
      server === null
        ? 'PostgreSQL at DATABASE_URL'
        : `embedded PostgreSQL (${server.how}) in ${config.dataDir}`,
    sharedKey: (name) => sharedKey(pool, name),
    seal: () => sealAuditEvents(pool),
    durabilityGap: () => durabilityGap(pool),
    failoverGap: () => failoverGap(pool),
    async close() {
      await notifications.close()
      await pulse.stop()
      await countersPool.end()
      await logPool.end()
      await pool.end()
      await server?.stop()
    },
  }
}
