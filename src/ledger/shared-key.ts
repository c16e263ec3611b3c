/** Keys that all gateways of one ledger share, made once by whoever comes first. */
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { only } from './connect.ts'

/** 256 random bits, the same for everyone who asks for this name. */
export async function sharedKey(pool: pg.Pool, name: string): Promise<Buffer> {
  await pool.query('INSERT INTO holdpoint.shared_key (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    randomBytes(32),
  ])
  const { rows } = await pool.query<{ key: Buffer }>('SELECT key FROM holdpoint.shared_key WHERE name = $1', [
    name,
  ])
  return only(rows).key
}
