/** Mina, who decides in Slack or over REST, and goes to another door when one does not answer; and others where a rule asks for them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane, PersonName } from './lane.ts'
import { GRANTED_USES } from './rules.ts'

export interface Wanted {
  readonly marker: string
  /**
   * `edit`: changes the arguments, and approves what has become of them. `extend`: gives more time, and approves. `grant`:
   * approves, and a few more such calls with it. `take-back`: says yes, and takes it back.
   */
  readonly act: 'approve' | 'reject' | 'cancel' | 'edit' | 'extend' | 'grant' | 'take-back'
  /** Mina, if nobody else is named; the others have no Slack. */
  readonly by?: PersonName
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
  readonly votes: number
  /** A yes to it allows a few more. */
  readonly isGranted: boolean
  /** How it ended. */
  readonly outcome: string | null
  /** The deadline is further away than any rule puts it. */
  readonly extended: boolean
}

/** An extension is a minute at least; no rule of these tests gives so much. */
const EXTENSION_MS = 120_000

/** What the ledger says about the calls with this marker, made in the last hour: no trial takes longer. */
export async function rowsOf({ pool }: Lane, marker: string): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, status, record #>> '{proposed,digest}' AS digest,
       COALESCE(json_array_length(record -> 'edits'), 0) AS edits,
       COALESCE(json_array_length(record -> 'votes'), 0) AS votes,
       record #>> '{outcome,kind}' AS outcome,
       COALESCE(record #>> '{decision,gives,uses}', record #>> '{outcome,decision,gives,uses}') IS NOT NULL AS "isGranted",
       COALESCE((record ->> 'expiresAtMs')::bigint - (record ->> 'createdAtMs')::bigint > 60000, false) AS extended
     FROM holdpoint.approval
     WHERE created_at > clock_timestamp() - interval '1 hour' AND strpos(record::text, $1) > 0 ORDER BY created_at`,
    [marker],
  )
  return rows
}

export async function untilAsked(lane: Lane, marker: string, isOver: () => boolean): Promise<void> {
  while (!isOver() && (await rowsOf(lane, marker)).length === 0) await sleep(LOOK_MS)
}

/** Everything that was asked with this marker has its outcome. */
export async function untilOver(lane: Lane, marker: string, isGivenUp: () => boolean): Promise<void> {
  const isOver = (rows: readonly Row[]) => rows.length > 0 && rows.every(({ status }) => status === 'settled')
  while (!isGivenUp() && !isOver(await rowsOf(lane, marker))) await sleep(LOOK_MS)
}

/** Waits until the call waits for a decision, and acts until it does not wait any more. */
export async function actsOn(
  lane: Lane,
  { marker, act: wanted, by = 'mina', door, gateway }: Wanted,
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
    const hasNoVote = wanted === 'take-back' && row.votes === 0
    const isPrepared =
      hasNoVote || (wanted === 'edit' && row.edits > 0) || (wanted === 'extend' && row.extended)
    const act = isPrepared ? 'approve' : wanted
    const isSlack = door === 'slack' && (act === 'approve' || act === 'reject') && attempt === 0
    attempt++
    const via = isSlack ? 'slack' : 'rest'
    const isDone = isSlack
      ? await click(lane, at.url, marker, act)
      : await post(lane, at.url, row, { marker, act, by })
    if (isDone) done.push({ marker, act, via })
    if (isDone && act === 'take-back') return
    // Others may have to say something as well.
    await sleep(LOOK_MS)
  }
}

/** @returns whether the gateway said that it was done */
async function post(
  lane: Lane,
  url: string,
  { id, digest }: Row,
  { marker, act, by }: Pick<Wanted, 'marker' | 'act'> & { readonly by: PersonName },
): Promise<boolean> {
  const path = act === 'extend' ? 'deadline' : isDecision(act) ? 'decision' : act
  const body = bodyOf(act, marker, digest)
  try {
    const response = await fetch(`${url}/api/v1/approvals/${id}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${lane.tokens[by]}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

const isDecision = (act: Wanted['act']) => act === 'approve' || act === 'reject' || act === 'grant'

function bodyOf(act: Wanted['act'], marker: string, digest: string): object {
  switch (act) {
    case 'cancel':
    case 'take-back':
      return {}
    case 'grant':
      return { decision: 'approve', digest, via: 'api', grant: { uses: GRANTED_USES, seconds: 600 } }
    case 'edit':
      return { arguments: JSON.stringify({ message: marker, note: 'pay less' }), digest, via: 'api' }
    case 'extend':
      return { until: new Date(Date.now() + EXTENSION_MS).toISOString(), via: 'api' }
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

/** Stops this agent's calls at once, until the stop is lifted. @returns its number; `null`: nobody said that it was done */
export async function stop(lane: Lane, url: string, agent: string): Promise<number | null> {
  const text = await asOperator(lane, `${url}/api/v1/stops`, { agent, reason: 'it went mad' })
  const found = /"number":(\d+)/.exec(text ?? '')
  return found === null ? null : Number(found[1])
}

/** Also where it was lifted before, by a gateway that died before it said so. @returns whether it is */
export const lift = async (lane: Lane, url: string, number: number): Promise<true | null> =>
  (await asOperator(lane, `${url}/api/v1/stops/${number}/lift`, {})) === null ? null : true

/** Ends what was granted with this approval; also where it is over already. @returns whether it is */
export const revoke = async (lane: Lane, url: string, id: string): Promise<true | null> =>
  (await asOperator(lane, `${url}/api/v1/grants/${id}/revoke`, {})) === null ? null : true

/** Says that a call whose end nobody knows has happened. @returns whether that is noted */
export const annotate = async (lane: Lane, url: string, id: string): Promise<true | null> =>
  (await asOperator(lane, `${url}/api/v1/approvals/${id}/annotation`, { finding: 'happened' })) === null
    ? null
    : true

/** Asks again about such a call; also where somebody has. @returns whether it is asked */
export const askAgain = async (lane: Lane, url: string, id: string): Promise<true | null> =>
  (await asOperator(lane, `${url}/api/v1/approvals/${id}/ask-again`, {})) === null ? null : true

/** `null`: there is no answer, or it is no sensible one. */
async function asOperator({ tokens }: Lane, url: string, body: object): Promise<string | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.mina}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    })
    const text = await response.text()
    return response.ok || response.status === 409 ? text : null
  } catch {
    return null
  }
}
