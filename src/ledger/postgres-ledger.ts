/** The whole ledger in PostgreSQL. */
import type pg from 'pg'
import type { Ledger } from '../ports/ledger.ts'
import { createApprovalNotes } from './approval-notes.ts'
import { createApprovals } from './approvals.ts'
import { createApprovalsDue } from './approvals-due.ts'
import { createGrants } from './grants.ts'
import { createServing } from './serving.ts'
import { createWaiting } from './waiters.ts'

export const createLedger = (pool: pg.Pool): Ledger => ({
  ...createApprovals(pool),
  ...createApprovalNotes(pool),
  ...createApprovalsDue(pool),
  ...createWaiting(pool),
  ...createGrants(pool),
  ...createServing(pool),
})
