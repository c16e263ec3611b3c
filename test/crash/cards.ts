/** Whether the cards in Slack end up true: what is over offers no decision, and an orphan among them decides nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broken } from '../support/promises.ts'
import type { SlackMessage } from '../support/slack/workspace.ts'
import type { Lane } from './lane.ts'

/** A drawer that died keeps its right for seven seconds, and the reconciler comes every three. */
const TRUE_WITHIN_MS = 90_000
const LOOK_MS = 200

interface CardRow {
  readonly approval_id: string
  readonly ts: string
  readonly true: boolean
}

/** @returns promises broken by cards of calls whose arguments hold one of these markers */
export async function checkCards(lane: Lane, markers: readonly string[]): Promise<Broken[]> {
  const untilMs = performance.now() + TRUE_WITHIN_MS
  let rows = await cardRows(lane)
  while (rows.some((row) => !row.true) && performance.now() < untilMs) {
    await sleep(LOOK_MS)
    rows = await cardRows(lane)
  }
  const found = rows
    .filter((row) => !row.true)
    .map((row) => card(`the card of ${row.approval_id} does not show how it ended`))
  found.push(...calledTwice(lane, rows))
  const known = new Set(rows.map(({ ts }) => ts))
  for (const message of lane.slack.messages(lane.channel)) {
    const text = lane.slack.textOf(message)
    if (!markers.some((marker) => text.includes(marker)) || !offersDecision(lane, message)) continue
    if (known.has(message.ts))
      found.push(card(`a card of a call that is over still offers a decision: ${text.slice(0, 120)}`))
    else found.push(...(await clickOrphan(lane, message)))
  }
  return found
}

/** A reminder may stay unsaid when its process dies; none is said twice. */
function calledTwice({ slack, channel }: Lane, rows: readonly CardRow[]): Broken[] {
  return rows.flatMap(({ approval_id, ts }) => {
    const reminders = slack.thread(channel, ts).filter((one) => slack.textOf(one).includes('Still waiting'))
    return reminders.length > 1
      ? [card(`people were called ${reminders.length} times to ${approval_id}`)]
      : []
  })
}

/** After an end that nobody knows, people are still asked what they found out. */
const offersDecision = ({ slack }: Lane, message: SlackMessage) =>
  slack.buttons(message).some(({ actionId }) => actionId === 'approve' || actionId === 'reject')

const card = (text: string): Broken => ({ invariant: 'I4', harm: 'card', text })

async function cardRows({ pool }: Lane): Promise<CardRow[]> {
  const { rows } = await pool.query<CardRow>(
    `SELECT c.approval_id, c.place::json ->> 'ts' AS ts, c.shown_version >= a.version AS true
     FROM holdpoint.card c JOIN holdpoint.approval a ON a.id = c.approval_id
     WHERE c.place IS NOT NULL AND a.status = 'settled'`,
  )
  return rows
}

/** A card that was posted by somebody who died before noting it. Its buttons must do nothing. */
async function clickOrphan(lane: Lane, { ts }: SlackMessage): Promise<Broken[]> {
  const before = await auditCount(lane)
  const hits = lane.upstream.executed.length
  const gateway = lane.gateways()[0]
  if (gateway === undefined) return []
  lane.slack.useHttp(new URL('/slack/events', gateway.url))
  await lane.slack.click({ channel: lane.channel, ts, actionId: 'approve', user: lane.mina })
  const isQuiet = (await auditCount(lane)) === before && lane.upstream.executed.length === hits
  return isQuiet ? [] : [card('a click on a card that nobody knows has changed something')]
}

async function auditCount({ pool }: Lane): Promise<string> {
  const { rows } = await pool.query<{ count: string }>('SELECT count(*) FROM holdpoint.audit_event')
  return rows[0]?.count ?? ''
}
