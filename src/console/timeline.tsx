/** What happened to one approval, from its audit events, and whether their chain still holds. */
import { z } from 'zod'
import { actorText } from '../domain/actor.ts'
import { type AuditEvent, CHAIN_START, chainHash } from '../domain/audit.ts'
import { visible } from '../domain/visible.ts'
import { Time } from './told.tsx'

const event = z.object({
  at: z.iso.datetime(),
  event: z.string(),
  details: z.record(z.string(), z.unknown()),
})

const words: Readonly<Record<string, string>> = {
  ask: 'Asked',
  take_back: 'Yes taken back',
  void_votes: 'A yes does not count any more',
  edit: 'Arguments changed',
  extend: 'Deadline moved',
  nudge: 'People called again',
  look_up: 'The evidence of the rule was read',
  expire: 'Expired: nobody decided in time',
  lapse: 'Lapsed: the agent was not there in time',
  cancel: 'Withdrawn',
  invalidate: 'No longer valid',
  claim: 'Taken by one gateway, to be sent once',
  answer: 'The server answered',
  fail_unsent: 'Not sent',
  lose_track: 'Nobody knows whether it happened',
  ask_again: 'Asked again',
  look_after: 'The upstream afterwards',
  prove_unsent: 'Its gateway came back and knows that it sent nothing; the outcome stays unknown',
  late_reply: 'The server answered after all; the outcome stays unknown',
}
const decisions: Readonly<Record<string, string>> = {
  approve: 'Approved',
  confirm: 'Confirmed by the owner',
  reject: 'Denied',
}
const nudges: Readonly<Record<string, string>> = {
  reminder: 'Reminder',
  escalation: 'Escalation',
}
const findings: Readonly<Record<string, string>> = {
  happened: 'A person looked: it happened',
  did_not_happen: 'A person looked: it did not happen',
}
/** Digests and nonces are for programs. */
const told: readonly (readonly [name: string, before: string])[] = [
  ['by', 'by'],
  ['people', 'of'],
  ['via', 'via'],
  ['called', 'to'],
  ['mayFrom', 'who might since'],
  ['expiresAt', 'to'],
  ['successor', 'as'],
  ['node', 'by'],
  ['reason', 'because'],
  ['change', 'because'],
  ['note', 'note'],
]

export function Timeline({ trail }: { trail: readonly AuditEvent[] }) {
  return (
    <section class="trail" aria-labelledby="timeline">
      <h2 id="timeline">What happened</h2>
      <ol class="timeline">
        {trail.map((one) => (
          <Entry payload={one.payload} />
        ))}
      </ol>
      <p class="note">
        {isIntact(trail)
          ? `${trail.length} audit ${trail.length === 1 ? 'event' : 'events'}; the chain is intact.`
          : 'The chain of these audit events does not hold: something was changed or is missing. Tell whoever runs the gateway.'}
      </p>
    </section>
  )
}

function Entry({ payload }: { payload: string }) {
  const parsed = event.safeParse(JSON.parse(payload))
  if (!parsed.success) return <li translate="no">{visible(payload)}</li>
  const { at, event: kind, details } = parsed.data
  const facts = told.flatMap(([name, before]) => {
    if (kind === 'ask' && name === 'expiresAt') return []
    const value =
      name === 'people' && Array.isArray(details.people) ? details.people.join(', ') : details[name]
    return typeof value === 'string' && value !== ''
      ? [`${before} ${name === 'by' ? actorText(value) : visible(value)}`]
      : []
  })
  return (
    <li>
      <Time atMs={Date.parse(at)} />
      <span>
        <b>{word(kind, details)}</b>
        {facts.length > 0 && ` ${facts.join(', ')}`}
      </span>
    </li>
  )
}

function word(kind: string, details: Record<string, unknown>): string {
  if (kind === 'decide' && typeof details.yeses === 'number' && details.yeses < Number(details.of)) {
    return `Said yes (${details.yeses} of ${String(details.of)})`
  }
  const by =
    decisions[String(details.decision)] ?? findings[String(details.finding)] ?? nudges[String(details.nudge)]
  return by ?? words[kind] ?? visible(kind)
}

function isIntact(trail: readonly AuditEvent[]): boolean {
  let previous = CHAIN_START
  for (const { payload, hash } of trail) {
    if (chainHash(previous, payload) !== hash) return false
    previous = hash
  }
  return trail.length > 0
}
