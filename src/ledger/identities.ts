/** Codes, accounts and sessions of people in PostgreSQL, all by the ledger's clock. */
import type pg from 'pg'
import type { Identities } from '../ports/identities.ts'

export function createIdentities(pool: pg.Pool): Identities {
  const personFrom = (rows: readonly { person: string }[]) => rows[0]?.person ?? null
  return {
    async addCode(codeHash, person, validMs) {
      // What nobody can use any more is swept along.
      await pool.query(
        `WITH swept AS (DELETE FROM holdpoint.link_code WHERE expires_at < clock_timestamp() - interval '1 day')
         INSERT INTO holdpoint.link_code (code_hash, person, expires_at)
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')`,
        [codeHash, person, validMs],
      )
    },

    async useCode(codeHash) {
      const { rows } = await pool.query<{ person: string }>(
        `UPDATE holdpoint.link_code SET used_at = clock_timestamp()
         WHERE code_hash = $1 AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING person`,
        [codeHash],
      )
      return personFrom(rows)
    },

    async link(channel, account, person) {
      await pool.query(
        `INSERT INTO holdpoint.identity (channel, account, person) VALUES ($1, $2, $3)
         ON CONFLICT (channel, account) DO UPDATE SET person = excluded.person, linked_at = clock_timestamp()`,
        [channel, account, person],
      )
    },

    async unlink(channel, account) {
      await pool.query('DELETE FROM holdpoint.identity WHERE channel = $1 AND account = $2', [
        channel,
        account,
      ])
    },

    async personOf(channel, account) {
      const { rows } = await pool.query<{ person: string }>(
        'SELECT person FROM holdpoint.identity WHERE channel = $1 AND account = $2',
        [channel, account],
      )
      return personFrom(rows)
    },

    async accountsOf(channel, person) {
      const { rows } = await pool.query<{ account: string }>(
        'SELECT account FROM holdpoint.identity WHERE channel = $1 AND person = $2 ORDER BY linked_at',
        [channel, person],
      )
      return rows.map((row) => row.account)
    },

    async addSession(tokenHash, person, validMs) {
      await pool.query(
        `WITH swept AS (DELETE FROM holdpoint.session WHERE expires_at < clock_timestamp())
         INSERT INTO holdpoint.session (token_hash, person, expires_at)
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')`,
        [tokenHash, person, validMs],
      )
    },

    async personOfSession(tokenHash) {
      const { rows } = await pool.query<{ person: string }>({
        name: 'session-person',
        text: 'SELECT person FROM holdpoint.session WHERE token_hash = $1 AND expires_at > clock_timestamp()',
        values: [tokenHash],
      })
      return personFrom(rows)
    },

    async endSession(tokenHash) {
      await pool.query('DELETE FROM holdpoint.session WHERE token_hash = $1', [tokenHash])
    },

    async signOutEverywhere(person) {
      const { rows } = await pool.query<{ ended: number }>(
        `WITH voided AS (DELETE FROM holdpoint.link_code WHERE person = $1 AND used_at IS NULL),
              ended AS (DELETE FROM holdpoint.session WHERE person = $1 RETURNING 1)
         SELECT count(*)::int AS ended FROM ended`,
        [person],
      )
      return rows[0]?.ended ?? 0
    },
  }
}
