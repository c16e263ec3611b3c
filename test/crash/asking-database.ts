/** What the harness asks the database while PostgreSQL dies and comes back: it asks again until it is told. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export interface AskingDatabase {
  query<Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>
  end(): Promise<void>
}

/** By which the storm knows whom it leaves alone. */
export const HARNESS = 'crash-harness'

const AGAIN_MS = 100
/** A server that was killed reads its log at its start; on a busy machine that takes its time. */
const AWAY_MS_MAX = 120_000

/** Only for questions: what changes something is not asked twice. */
export function createAskingDatabase(connectionString: string): AskingDatabase {
  const pool = new pg.Pool({ connectionString, max: 4, application_name: HARNESS })
  pool.on('error', () => {})
  return {
    async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const giveUpMs = performance.now() + AWAY_MS_MAX
      for (;;) {
        try {
          return await pool.query<Row>(text, [...values])
        } catch (error) {
          if (!isAway(error) || performance.now() > giveUpMs) throw error
          await sleep(AGAIN_MS)
        }
      }
    },
    end: () => pool.end(),
  }
}

/** A connection that breaks has no code of PostgreSQL's; 57P0x and 08xxx are its own words for going and coming. */
function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return !(error instanceof pg.DatabaseError) || /^(57P0|08|53300)/.test(error.code ?? '')
}
