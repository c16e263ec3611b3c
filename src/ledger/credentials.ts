/** Tokens at rest: only their hashes, with who they belong to. A change is told to every gateway at once. */
import type pg from 'pg'
import { z } from 'zod'
import type { CredentialStore } from '../ports/credentials.ts'
import type { Notifications } from './notifications.ts'

export const CREDENTIALS_CHANNEL = 'holdpoint_credentials'

const kind = z.enum(['agent', 'person'])

export function createCredentials(pool: pg.Pool, notifications: Notifications): CredentialStore {
  return {
    async add({ kind, name, owner, tokenHash, hint }) {
      await pool.query(
        'INSERT INTO holdpoint.credential (token_hash, kind, name, owner, hint) VALUES ($1, $2, $3, $4, $5)',
        [tokenHash, kind, name, owner, hint],
      )
      await notifications.notify(CREDENTIALS_CHANNEL, name)
    },

    async revoke(kind, name) {
      const { rowCount } = await pool.query(
        `UPDATE holdpoint.credential SET revoked_at = clock_timestamp()
         WHERE kind = $1 AND name = $2 AND revoked_at IS NULL`,
        [kind, name],
      )
      await notifications.notify(CREDENTIALS_CHANNEL, name)
      return rowCount ?? 0
    },

    async list(wanted) {
      const { rows } = await pool.query<{
        kind: string
        name: string
        owner: string
        hint: string
        created_at: Date
        revoked_at: Date | null
      }>('SELECT * FROM holdpoint.credential WHERE kind = $1 ORDER BY name, created_at', [wanted])
      return rows.map((row) => ({
        kind: kind.parse(row.kind),
        name: row.name,
        owner: row.owner,
        hint: row.hint,
        createdAtMs: row.created_at.getTime(),
        revokedAtMs: row.revoked_at?.getTime() ?? null,
      }))
    },

    async live() {
      const { rows } = await pool.query<{ token_hash: string; kind: string; name: string; owner: string }>({
        name: 'credential-live',
        text: 'SELECT token_hash, kind, name, owner FROM holdpoint.credential WHERE revoked_at IS NULL',
      })
      return new Map(
        rows.map(({ token_hash, kind: text, name, owner }) => [
          token_hash,
          { kind: kind.parse(text), name, owner },
        ]),
      )
    },

    onChange(listener) {
      return notifications.on(CREDENTIALS_CHANNEL, () => listener())
    },
  }
}
