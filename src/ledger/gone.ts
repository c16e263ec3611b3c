/** What "its requester is gone" means in a statement, so that who looks for such approvals and who ends one ask the same. */
import { UNHEARD_MS } from '../domain/timings.ts'

/** @param id an expression */
export const isAwaited = (id: string) => `EXISTS (
  SELECT FROM holdpoint.waiter w
  JOIN holdpoint.node n ON n.id = w.node AND n.lease_until > clock_timestamp()
  WHERE w.approval_id = ${id}
)`

/**
 * Somebody waits, or may wait at a gateway that was not heard of lately: one that is cut off from the database holds its clients,
 * and cannot say so. Who leaves, and a gateway that stops, take their waiters with them.
 */
export const mayBeAwaited = (id: string) => `EXISTS (
  SELECT FROM holdpoint.waiter w
  JOIN holdpoint.node n
    ON n.id = w.node AND n.lease_until > clock_timestamp() - interval '${UNHEARD_MS} milliseconds'
  WHERE w.approval_id = ${id}
)`

/** Somebody could have come back all the time: one gateway was there without a gap. A lease that lapsed begins anew. */
export const wasOpenFor = (ms: string) => `EXISTS (
  SELECT FROM holdpoint.node
  WHERE lease_until > clock_timestamp() AND held_since <= clock_timestamp() - ${ms} * interval '1 millisecond'
)`

/**
 * A new waiter clears `gone_since` in the row itself, so whoever changes the row at the same moment sees that too.
 * @param row the approval's row, by its name in the statement
 * @param ms an expression
 */
export const isGoneFor = (row: string, ms: string) => `(
  ${row}.gone_since <= clock_timestamp() - ${ms} * interval '1 millisecond' AND NOT ${mayBeAwaited(`${row}.id`)}
  AND ${wasOpenFor(ms)}
)`
