/** What has to add up over all calls of a lane: nothing was sent that a limit had not counted, nor more under a grant than it allows. */
import type { Broken } from '../support/promises.ts'
import type { Lane } from './lane.ts'

/** The one limit of these tests counts the calls with this note. */
const COUNTED = '"note":"counted"'

/** What has left the window of an hour is swept. A call is counted some minutes before it is received at the most. */
const LOOKED_BACK_MS = 50 * 60_000

export async function checkCounts({ pool, upstream }: Lane): Promise<Broken[]> {
  const counted = await pool.query<{ count: number }>(
    "SELECT count(*)::integer AS count FROM holdpoint.tally_entry WHERE at > clock_timestamp() - interval '55 minutes'",
  )
  const sinceMs = Date.now() - LOOKED_BACK_MS
  const sent = upstream.requests.filter(
    ({ tool, body, atMs }) => tool !== null && body.includes(COUNTED) && atMs > sinceMs,
  ).length
  const found = counted.rows.flatMap(({ count }): Broken[] =>
    count < sent
      ? [
          {
            invariant: 'I9',
            harm: 'unapproved',
            text: `${sent} calls were sent and ${count} of them counted`,
          },
        ]
      : [],
  )
  const under = await pool.query<{ grant: string; used: number; uses: number | null; late: boolean }>(
    `SELECT given.id AS grant, count(*)::integer AS used,
       max(COALESCE(given.record #>> '{decision,gives,uses}', given.record #>> '{outcome,decision,gives,uses}'))::integer AS uses,
       bool_or(claim.claimed_at > to_timestamp((COALESCE(
         given.record #>> '{decision,gives,ended,atMs}', given.record #>> '{outcome,decision,gives,ended,atMs}'))::bigint / 1000.0)) AS late
     FROM holdpoint.approval a
     JOIN holdpoint.approval given
       ON given.id = COALESCE(a.record #>> '{decision,under}', a.record #>> '{outcome,decision,under}')
     LEFT JOIN holdpoint.claim claim ON claim.approval_id = a.id
     GROUP BY given.id`,
  )
  for (const { grant, used, uses, late } of under.rows) {
    if (uses === null || used > uses)
      found.push({
        invariant: 'I6',
        harm: 'unapproved',
        text: `${used} calls ran under ${grant}, which allows ${uses}`,
      })
    if (late)
      found.push({ invariant: 'I3', harm: 'unapproved', text: `a call began under ${grant} after its end` })
  }
  return found
}
