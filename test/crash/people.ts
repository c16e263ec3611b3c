/** Mina, who decides in Slack or over REST, and goes to another door when one does not answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane } from './lane.ts'

export interface Wanted {
  readonly marker: string
  /** `edit`: changes the arguments, and approves what has become of them. */
  readonly act: 'approve' | 'reject' | 'cancel' | 'edit'
  /** Tried first; Slack has no way to withdraw. */
  readonly door: 'rest' | 'slack'
  readonly gateway: number
}

/** An act that somebody was told has been done. */
export interface Done {
  readonly marker: string
  readonly act: Wanted['act']
  readonly via: string
}

const ANSWER_MS_MAX = 3_000
const CARD_MS_MAX = 1_500
const LOOK_MS = 60

export interface Row {
  readonly id: string
  readonly status: string
  readonly digest: string
  readonly edits: number
}

/** What the ledger says about the calls with this marker, made in the last hour: no trial takes longer. */
export async function rowsOf({ pool }: Lane, marker: string): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, status, record #>> '{proposed,digest}' AS digest,
       COALESCE(json_array_length(record -> 'edits'), 0) AS edits
     FROM holdpoint.approval
     WHERE created_at > clock_timestamp() - interval '1 hour' AND strpos(record::text, $1) > 0 ORDER BY created_at`,
    [marker],
  )
  return rows
}

/** Waits until the call waits for a decision, and acts until it does not wait any more. */
export async function actsOn(
  lane: Lane,
  { marker, act: wanted, door, gateway }: Wanted,
  done: Done[],
  isGivenUp: () => boolean,
): Promise<void> {
  for (let attempt = 0; !isGivenUp(); ) {
    const rows = await rowsOf(lane, marker)
    const row = rows.find(({ status }) => status === 'pending')
    if (row === undefined && rows.length > 0) return
    const gateways = lane.gateways()
    const at = gateways[(gateway + attempt) % Math.max(1, gateways.length)]
    if (row === undefined || at === undefined) {
      await sleep(LOOK_MS)
      continue
    }
    const act = wanted === 'edit' && row.edits > 0 ? 'approve' : wanted
    const isSlack = door === 'slack' && (act === 'approve' || act === 'reject') && attempt === 0
    attempt++
    const via = isSlack ? 'slack' : 'rest'
    const isDone = isSlack
      ? await click(lane, at.url, marker, act)
      : await post(lane, at.url, row, { marker, act })
    if (isDone) done.push({ marker, act, via })
    else await sleep(LOOK_MS)
  }
}

/** @returns whether the gateway said that it was done */
async function post(
  lane: Lane,
  url: string,
  { id, digest }: Row,
  { marker, act }: Pick<Wanted, 'marker' | 'act'>,
): Promise<boolean> {
  const path = act === 'cancel' || act === 'edit' ? act : 'decision'
  const body = bodyOf(act, marker, digest)
  try {
    const response = await fetch(`${url}/api/v1/approvals/${id}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${lane.tokens.mina}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

function bodyOf(act: Wanted['act'], marker: string, digest: string): object {
  switch (act) {
    case 'cancel':
      return {}
    case 'edit':
      return { arguments: JSON.stringify({ message: marker, note: 'pay less' }), digest, via: 'api' }
    case 'approve':
    case 'reject':
      return { decision: act, digest, via: 'api' }
  }
}

/** Slack tells nobody whether a click has decided anything, so this is never "done" by itself. */
async function click(lane: Lane, url: string, marker: string, act: string): Promise<boolean> {
  const { slack, channel, mina } = lane
  try {
    const card = await slack.waitForMessage((one) => slack.textOf(one).includes(marker), CARD_MS_MAX)
    slack.useHttp(new URL('/slack/events', url))
    await slack.click({ channel, ts: card.ts, actionId: act, user: mina })
  } catch {
    // No card yet, or one that has moved on: there is another door.
  }
  return false
}
