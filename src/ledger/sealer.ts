/** Links the audit chains of single approvals into one: each seal covers the events since the last and names its hash. */

import type pg from 'pg'
import { CHAIN_START } from '../domain/audit.ts'
import { sha256 } from '../domain/canonical.ts'

/** Events under one seal; the rest follow in the next round. */
const EVENTS_PER_SEAL_MAX = 1_000
/** Any number; it only has to differ from other advisory locks on the same database. */
export const SEALER_LOCK = 7_203_118_845

/** The hash of a seal: the seal before it and the hashes of its events in the order of `event_id`. */
export const sealHash = (previousHash: string, eventHashes: readonly string[]): string =>
  sha256([previousHash, ...eventHashes].join('\n'))

/** Seals what is not sealed yet. One process at a time; others leave it alone. @returns how many events were sealed */
export async function sealAuditEvents(pool: pg.Pool): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const { rows: locks } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_xact_lock($1) AS locked',
      [SEALER_LOCK],
    )
    // Read by "not sealed yet", not by "id above the last": ids are drawn before they are committed.
    const { rows: events } = await client.query<{ event_id: string; hash: string }>(
      `SELECT event_id, hash FROM holdpoint.audit_event WHERE seal_id IS NULL ORDER BY event_id LIMIT $1`,
      [locks[0]?.locked === true ? EVENTS_PER_SEAL_MAX : 0],
    )
    if (events.length > 0) {
      const { rows: seals } = await client.query<{ seal_id: string; hash: string }>(
        'SELECT seal_id, hash FROM holdpoint.audit_seal ORDER BY seal_id DESC LIMIT 1',
      )
      const last = seals[0] ?? { seal_id: '0', hash: CHAIN_START }
      const sealId = Number(last.seal_id) + 1
      const hash = sealHash(
        last.hash,
        events.map((event) => event.hash),
      )
      await client.query('INSERT INTO holdpoint.audit_seal (seal_id, events, hash) VALUES ($1, $2, $3)', [
        sealId,
        events.length,
        hash,
      ])
      await client.query('UPDATE holdpoint.audit_event SET seal_id = $1 WHERE event_id = ANY ($2)', [
        sealId,
        events.map((event) => event.event_id),
      ])
    }
    await client.query('COMMIT')
    return events.length
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
