/** Connected accounts in PostgreSQL, sealed before they come here. One gateway at a time renews an account. */
import type pg from 'pg'
import type { AccountStore, Attempt, KeptAccount } from '../ports/accounts.ts'
import type { Notifications } from './notifications.ts'

export const ACCOUNTS_CHANNEL = 'holdpoint_accounts'

interface Row {
  sealed: Buffer
  version: string
}

export function createAccounts(pool: pg.Pool, notifications: Notifications): AccountStore {
  const kept = (rows: readonly Row[]): KeptAccount | null => rows[0] ?? null
  const changed = (server: string) => notifications.notify(ACCOUNTS_CHANNEL, server)
  return {
    async get(server, owner) {
      const { rows } = await pool.query<Row>(
        'SELECT sealed, version FROM holdpoint.upstream_account WHERE server = $1 AND owner = $2',
        [server, owner],
      )
      return kept(rows)
    },

    async put(server, owner, sealed) {
      await pool.query(
        `INSERT INTO holdpoint.upstream_account (server, owner, sealed) VALUES ($1, $2, $3)
         ON CONFLICT (server, owner) DO UPDATE SET sealed = excluded.sealed, version = DEFAULT, renewing = NULL,
           connected_at = clock_timestamp()`,
        [server, owner, Buffer.from(sealed)],
      )
      await changed(server)
    },

    async beginRenewal(server, owner, leaseMs) {
      const { rows } = await pool.query<Row>(
        `UPDATE holdpoint.upstream_account SET renewing = clock_timestamp() + $3 * interval '1 millisecond'
         WHERE server = $1 AND owner = $2 AND (renewing IS NULL OR renewing < clock_timestamp())
         RETURNING sealed, version`,
        [server, owner, leaseMs],
      )
      return kept(rows)
    },

    async endRenewal(server, owner, version, sealed) {
      const { rowCount } = await pool.query(
        `UPDATE holdpoint.upstream_account SET sealed = $4, version = DEFAULT, renewing = NULL
         WHERE server = $1 AND owner = $2 AND version = $3`,
        [server, owner, version, Buffer.from(sealed)],
      )
      await changed(server)
      return rowCount === 1
    },

    async dropRenewal(server, owner, version) {
      await pool.query(
        `UPDATE holdpoint.upstream_account SET renewing = NULL WHERE server = $1 AND owner = $2 AND version = $3`,
        [server, owner, version],
      )
    },

    async remove(server, owner) {
      const { rowCount } = await pool.query(
        'DELETE FROM holdpoint.upstream_account WHERE server = $1 AND owner = $2',
        [server, owner],
      )
      await changed(server)
      return rowCount === 1
    },

    async list() {
      const { rows } = await pool.query<{ server: string; owner: string; connected_at: Date }>(
        'SELECT server, owner, connected_at FROM holdpoint.upstream_account ORDER BY server, owner',
      )
      return rows.map(({ server, owner, connected_at }) => ({
        server,
        owner,
        connectedAtMs: connected_at.getTime(),
      }))
    },

    async addAttempt(stateHash, { server, person, sealed }, validMs) {
      // What nobody came back from is swept along.
      await pool.query(
        `WITH swept AS (DELETE FROM holdpoint.upstream_account_attempt WHERE expires_at < clock_timestamp())
         INSERT INTO holdpoint.upstream_account_attempt (state_hash, server, person, sealed, expires_at)
         VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 millisecond')`,
        [stateHash, server, person, Buffer.from(sealed), validMs],
      )
    },

    async useAttempt(stateHash) {
      const { rows } = await pool.query<Attempt & { is_live: boolean }>(
        `DELETE FROM holdpoint.upstream_account_attempt WHERE state_hash = $1
         RETURNING server, person, sealed, expires_at > clock_timestamp() AS is_live`,
        [stateHash],
      )
      const [found] = rows
      if (found?.is_live !== true) return null
      const { server, person, sealed } = found
      return { server, person, sealed }
    },

    onChange(listener) {
      return notifications.on(ACCOUNTS_CHANNEL, () => listener())
    },
  }
}
