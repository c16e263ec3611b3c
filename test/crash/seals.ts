/** The audit log as an auditor checks it, from its rows alone: every seal covers the events it says, and names the one before. */

import { CHAIN_START } from '../../src/domain/audit.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import type { Broken } from '../support/promises.ts'
import type { Lane } from './lane.ts'

export async function checkSeals({ pool }: Lane): Promise<Broken[]> {
  const { rows } = await pool.query<{ hash: string; events: number; hashes: string[] | null }>(
    `SELECT s.hash, s.events,
       (SELECT array_agg(e.hash ORDER BY e.event_id) FROM holdpoint.audit_event e WHERE e.seal_id = s.seal_id) AS hashes
     FROM holdpoint.audit_seal s ORDER BY s.seal_id`,
  )
  let previous = CHAIN_START
  const found: Broken[] = []
  rows.forEach(({ hash, events, hashes }, index) => {
    const covered = hashes ?? []
    if (covered.length !== events || sha256([previous, ...covered].join('\n')) !== hash)
      found.push({ invariant: 'I10', harm: 'audit', text: `seal ${index + 1} does not cover its events` })
    previous = hash
  })
  return found
}
